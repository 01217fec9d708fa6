-- One row per published relation, date and run that has rows now. kept says what a run leaves of earlier runs.
-- `verify-audit` compares these partitions with the audit log.
{% set existing = [] -%}
{%- if execute -%}
    {%- for one in published_relations() if load_relation(one.relation) -%}
        {%- do existing.append(one) -%}
    {%- endfor -%}
{%- endif -%}
{%- for one in existing %}
select distinct
    '{{ one.name }}' as relation_name,
    '{{ one.relation.schema }}' as schema_name,
    '{{ one.kept }}' as kept,
    {{ one.date_column or 'cast(null as date)' }} as as_of_date,
    {{ one.run_column }} as run_id
from {{ one.relation }}
{{ 'union all' if not loop.last }}
{%- endfor %}
