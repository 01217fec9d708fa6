-- One row per policy that the lender's own landing replaces.
{{ first_of_grain('(' ~ known_versions(source('raw', 'policy_overrides'), ['name', 'value']) ~ ') as versions', ['name']) }}
