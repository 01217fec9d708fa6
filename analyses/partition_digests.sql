-- One row per published partition, except scores (fct_score_partitions), and per set of columns that the audit log has
-- entered for the relation: the digest of the rows that are there now.
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
