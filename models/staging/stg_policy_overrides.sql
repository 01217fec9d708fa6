-- One row per policy for which the lender has landed a value.
{{ first_of_grain('(' ~ known_versions(source('raw', 'policy_overrides'), ['name', 'value']) ~ ') as versions', ['name']) }}
