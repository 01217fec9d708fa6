"""The sections of a model's page, one module per question that a validation asks."""
