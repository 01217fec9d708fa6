{# Makes the two tables under fct_fairness where no training or no night has yet: the view is then the same at any time. #}
{% macro ensure_fairness_tables() %}
    {%- if execute -%}
        {%- for name in ['fairness_of_trainings', 'fairness_of_nights'] -%}
            {%- do make_missing_table(
                api.Relation.create(database=target.database, schema='fairness', identifier=name, type='table'),
                {
                    'model_name': 'varchar', 'population': 'varchar', 'attribute': 'varchar', 'group_name': 'varchar',
                    'metric': 'varchar', 'as_of_date': 'date', 'value': 'double', 'low': 'double', 'high': 'double',
                    'reference_group': 'varchar', 'reference_value': 'double', 'case_count': 'bigint',
                    'default_count': 'bigint', 'base_count': 'bigint', 'status': 'varchar', 'reason': 'varchar',
                    'cutoff': 'double', 'mlflow_run_id': 'varchar', 'model_version': 'integer', 'run_id': 'varchar',
                }
            ) -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}
