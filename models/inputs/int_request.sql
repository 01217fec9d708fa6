-- One row: what was asked of this run, and by whom. Other models take it from here and not from the environment.
-- Everything that a run builds depends on it, so that a relation's content follows from its parents alone.
{{ config(materialized='table') }}

{%- set request = requested() %}

select
    {{ text_literal(invocation_id) }} as run_id,
    {{ "cast('" ~ request.as_of ~ "' as date)" if request.as_of else 'cast(null as date)' }} as as_of_date,
    cast('{{ request.known_at }}' as timestamp) as known_at,
    {{ started_at() }} as started_at,
    cast({{ text_literal(request.actor) }} as varchar) as actor,
    cast({{ text_literal(request.pinned_versions) }} as varchar) as pinned_versions,
    cast({{ text_literal(request.overrides) }} as varchar) as overrides,
    cast({{ text_literal(request.override_reason) }} as varchar) as override_reason
