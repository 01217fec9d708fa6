"""What Nightbook's dbt models and runner import: landing, features' statistics, training, gate, registry, scoring."""
