-- One row per policy that the lender's own landing replaces.
{{ latest_known(source('raw', 'policy_overrides'), columns=['name', 'value'], grain=['name']) }}
