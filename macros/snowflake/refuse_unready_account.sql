{#
    Raises an error at the start of a run for secondary roles. In a run with Python models it also raises one for what
    would fail an hour later: a package or a Python without a version, or a library that is not on its stage. DuckDB has
    no roles and runs Python beside dbt, so there it checks nothing.
#}
{% macro refuse_unready_account() -%}
    {{ return(adapter.dispatch('refuse_unready_account', 'nightbook')()) }}
{%- endmacro %}

{% macro default__refuse_unready_account() -%}
{%- endmacro %}

{% macro snowflake__refuse_unready_account() -%}
    {%- if execute -%}
        {%- do refuse_secondary_roles() -%}
        {%- set stages = [] -%}
        {%- for node in graph.nodes.values() if node.language == 'python' and node.unique_id in selected_resources -%}
            {%- do nightbook._refuse_loose_packages(node) -%}
            {%- do stages.extend(node.config.imports or []) -%}
        {%- endfor -%}
        {%- for file in stages | unique if not run_query('list ' ~ file).rows -%}
            {{ exceptions.raise_compiler_error(
                file ~ ' is missing, and Python models import it. Stage it: python orchestrate.py stage'
            ) }}
        {%- endfor -%}
    {%- endif -%}
{%- endmacro %}

{#
    Raises an error for a session with secondary roles, which users have by default. The message asks to change the user
    and not the session. Each thread has a session of its own, and so has everything else that the user opens.
#}
{% macro refuse_secondary_roles() -%}
    {{ return(adapter.dispatch('refuse_secondary_roles', 'nightbook')()) }}
{%- endmacro %}

{% macro default__refuse_secondary_roles() -%}
{%- endmacro %}

{% macro snowflake__refuse_secondary_roles() -%}
    {%- set session = rows_of('select current_user() as user_name, current_secondary_roles() as secondary_roles')[0] -%}
    {%- set active = fromjson(session.secondary_roles or '{}') -%}
    {%- if active.value or active.roles -%}
        {{ exceptions.raise_compiler_error(
            'user ' ~ session.user_name ~ ' has secondary roles (' ~ (active.roles or active.value) ~ '), which add rights beyond'
            ~ ' its own role. Have an administrator run: alter user ' ~ session.user_name ~ ' set default_secondary_roles = ()'
        ) }}
    {%- endif -%}
{%- endmacro %}

{# Raises an error for a Python model whose environment could be another one tomorrow. #}
{% macro _refuse_loose_packages(node) -%}
    {%- set packages, names = node.config.packages or [], [] -%}
    {%- for package in packages if not modules.re.fullmatch('[A-Za-z0-9._-]+==[A-Za-z0-9.]+', package) -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': package ' ~ package ~ ' is not pinned. Write ' ~ modules.re.split('[^A-Za-z0-9._-]', package)[0]
            ~ '==VERSION in the packages of its configuration, so that a night does not change with a release.'
        ) }}
    {%- endfor -%}
    {%- for package in packages -%}
        {%- do names.append(package.split('==')[0]) -%}
    {%- endfor -%}
    {%- if 'snowflake-snowpark-python' not in names -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': snowflake-snowpark-python is not pinned, and dbt would add the latest. Write'
            ~ ' snowflake-snowpark-python==VERSION in the packages of its configuration.'
        ) }}
    {%- endif -%}
    {%- if not node.config.python_version -%}
        {{ exceptions.raise_compiler_error(
            node.name ~ ': no python_version is set, and dbt would choose one. Write it in the configuration.'
        ) }}
    {%- endif -%}
{%- endmacro %}
