-- Digests of every partition of what is published, but for scores (fct_score_partitions), computed from what stands there now: over
-- the columns that stood there when it was entered in the audit log, and over all of those of today where it never was.
{% set queries = [] -%}
{%- if execute and adapter.get_relation(target.database, 'audit', 'audit_chain') -%}
    {%- set recorded = {} -%}
    {%- for row in rows_of("select subject, payload from " ~ source('audit', 'audit_chain') ~ " where kind = 'partition'") -%}
        {%- do recorded.setdefault(row.subject.split(' ')[0], {}).update({fromjson(row.payload).get('column_names'): true}) -%}
    {%- endfor -%}
    {%- set published = published_relations() -%}
    {%- set standing = standing_columns(published | map(attribute='relation') | list) -%}
    {%- for one in published if one.name in recorded and one.name not in scores_digested() -%}
        {%- set types = standing.get((one.relation.schema ~ '.' ~ one.relation.identifier) | lower, {}) -%}
        {%- for column_names in recorded[one.name] if column_names is not none and types -%}
            {%- set columns = column_names.split(' ') -%}
            {%- if columns | reject('in', types) | list in ([], ['beyond_float32']) -%}
                {%- do queries.append(partition_digests(one, one.relation, columns, types)) -%}
            {%- endif -%}
        {%- endfor -%}
    {%- endfor -%}
{%- endif -%}

{{ queries | join('\nunion all\n') }}
