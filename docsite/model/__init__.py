"""The sections of a model's page, one module per question of a validation."""
