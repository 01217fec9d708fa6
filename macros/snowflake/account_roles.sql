{#
    Who may do what on Snowflake: the one definition from which grants are made. Every role is named <database>_<NAME>.
      inherits    other roles whose rights it has as well
      builds      schemas in which it creates relations, which it then owns
      reads       schemas whose relations it may select from, future ones included
      lands       schemas of landing tables: it may add rows to them and read them, and nothing else
      adds        tables of the record (record_tables) -> privileges to add rows and to read them, never to change them
      stages      stage -> privileges
      warehouses  warehouses that it may use
      registry    whether it may reach the MLflow server from a procedure, with its token, and take packages from PyPI
      granted_to  an administrator's role that has it as well, so that nothing is out of reach; none: nobody has it yet
    built: schemas in which dbt creates relations.
#}
{% macro account_roles(built) -%}
    {{ return({
        'pipeline': {
            'is_for': 'lands, builds everything, alone writes scores',
            'inherits': ['scoring'], 'builds': built, 'reads': [], 'lands': ['raw'],
            'adds': {'audit.audit_chain': ['select', 'insert'], 'audit.promotion_log': ['select']},
            'stages': {'raw.landing': ['read', 'write'], 'code.library': ['read', 'write']},
            'warehouses': ['transform', 'training'], 'registry': false, 'granted_to': 'sysadmin',
        },
        'scoring': {
            'is_for': 'reads what a score is made of; writes nothing',
            'inherits': [], 'builds': [], 'reads': ['features', 'scoring', 'reference'], 'lands': [],
            'stages': {'code.library': ['read']},
            'warehouses': ['scoring'], 'registry': true, 'granted_to': 'sysadmin',
        },
        'analyst': {
            'is_for': 'reads what is published',
            'inherits': [], 'builds': [], 'reads': ['marts', 'monitoring'], 'lands': [], 'stages': {},
            'warehouses': ['reading'], 'registry': false, 'granted_to': 'sysadmin',
        },
        'model_risk': {
            'is_for': 'reads the trail, trainings and their verdicts, the record of versions, what is published',
            'inherits': ['analyst'], 'builds': [], 'reads': ['audit', 'training', 'fairness', 'reference'], 'lands': [], 'stages': {},
            'warehouses': [], 'registry': false, 'granted_to': 'sysadmin',
        },
        'approver': {
            'is_for': 'reads the verdicts, versions and figures by group that an approval rests on; alone puts one on record',
            'inherits': [], 'builds': [], 'reads': ['audit', 'training', 'fairness'], 'lands': [], 'stages': {},
            'adds': {'audit.audit_chain': ['insert'], 'audit.promotion_log': ['insert']},
            'warehouses': ['reading'], 'registry': false, 'granted_to': 'sysadmin',
        },
        'personal_data': {
            'is_for': 'reads names, addresses and narratives unmasked; given to nobody until somebody asks for his own',
            'inherits': [], 'builds': [], 'reads': ['raw'], 'lands': [], 'stages': {},
            'warehouses': ['reading'], 'registry': false, 'granted_to': none,
        },
    }) }}
{%- endmacro %}

{#
    Tables of the record. An administrator owns them, so that nobody who builds or approves can change or remove a row.
#}
{% macro record_tables() -%}
    {{ return({'audit.audit_chain': nightbook._chain_columns(), 'audit.promotion_log': nightbook._promotion_columns()}) }}
{%- endmacro %}

{# Warehouses and their settings. A warehouse that was resized later stays so. All stop after a minute without work. #}
{% macro account_warehouses() -%}
    {{ return({
        'transform': {'size': 'small', 'type': 'standard', 'is_for': 'SQL of the night and of trainings'},
        'scoring': {'size': 'xsmall', 'type': 'standard', 'is_for': 'scoring functions, and reading the registry'},
        'training': {'size': 'medium', 'type': 'snowpark-optimized', 'is_for': 'fits, in one process with much memory'},
        'reading': {'size': 'xsmall', 'type': 'standard', 'is_for': 'those who read, so that they do not slow a night down'},
    }) }}
{%- endmacro %}
