-- One row per relation of scores, as-of date and run: the number of rows and a digest of their content. It is a view,
-- so that the digest is computed from what is there now. The audit log holds the digest of when it was written.
{%- set score_columns = ['pd', 'margin', 'score', 'risk_grade', 'feature_digest'] -%}
{%- set model_columns = ['model_name', 'model_version', 'model_digest', 'scored_at'] %}
with

-- A block holds the rows of one version whose input digests begin alike. The text of a whole partition would not fit
-- into memory.
blocks as (

    {%- for model in scoring_models() %}
        {#- Reasons follow from contributions. -#}
        {%- set others = ['reason_1', 'reason_2', 'reason_3', 'reason_4'] if model.contributions else [] %}

        select
            '{{ model.scores }}' as relation_name,
            as_of_date,
            run_id,
            count(*) as row_count,
            {{ sha256(
                row_text(model_columns) ~ ' || chr(10) || ' ~ texts_in_order(
                    row_text([model.key] + score_columns + others, doubles=['pd', 'margin']), model.key
                )
            ) }} as digest
        from {{ ref(model.scores) }}
        group by as_of_date, run_id, substr(feature_digest, 1, 2), {{ model_columns | join(', ') }}
        {{ 'union all' if not loop.last }}
    {%- endfor %}

)

select
    relation_name,
    as_of_date,
    run_id,
    cast(sum(row_count) as bigint) as row_count,
    {{ sha256(texts_in_order('digest', 'digest')) }} as digest
from blocks
group by relation_name, as_of_date, run_id
