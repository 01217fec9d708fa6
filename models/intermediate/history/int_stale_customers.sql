-- One row per customer with an enquiry that landed or was corrected since the customer's enquiries were numbered.
{{ config(materialized='table') }}

{%- set pulls = ref('stg_bureau_pull_versions') -%}
{%- set changes = changes_of('int_bureau_pulls') %}

-- A correction may move an enquiry to another customer. Then both customers are stale.
select distinct customer_id
from {{ pulls }}
where
    customer_id is not null
    and pull_id in (
        select changed.pull_id
        from {{ pulls }} as changed
        where {{ is_among(changes.loads.get('bureau_pulls', [])) }}
    )
