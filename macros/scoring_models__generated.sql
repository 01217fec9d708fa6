{# Written by `make catalog` from the seed scoring_models; edit the seed. #}
{% macro scoring_models(entity=none) -%}
    {%- set listed = [
        {'model_name': 'account_pd',
         'entity': 'account',
         'features': 'feat_accounts',
         'cohort_features': 'feat_cohort_accounts',
         'training_set': 'training_set_account_pd',
         'population': 'accounts_tonight',
         'tonight_scores': 'tonight_account_scores',
         'scores': 'fct_account_scores',
         'inputs': 'account_inputs',
         'contributions': '',
         'key': 'account_id'},
        {'model_name': 'application_pd',
         'entity': 'application',
         'features': 'feat_applications',
         'cohort_features': 'feat_cohort_applications',
         'training_set': 'training_set_application_pd',
         'population': 'applications_tonight',
         'tonight_scores': 'tonight_application_scores',
         'scores': 'fct_application_scores',
         'inputs': '',
         'contributions': 'fct_application_contributions',
         'key': 'application_id'},
    ] -%}
    {{ return(listed | selectattr('entity', 'equalto', entity) | list if entity else listed) }}
{%- endmacro %}
