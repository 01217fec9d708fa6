{# The rules of a node's columns, as rules_of gives them, for the generic test that is being compiled. #}
{% macro tested_rules() -%}
    {%- if model.resource_type == 'test' and model.attached_node not in graph.nodes -%}
        {{ exceptions.raise_compiler_error(
            model.name ~ ': keeps_rules tests models and seeds. The landing contract checks the columns of sources') }}
    {%- endif -%}
    {{ return(rules_of(graph.nodes[model.attached_node]) if model.attached_node in graph.nodes else []) }}
{%- endmacro %}

{#
    The rules of a node's columns, from its YAML. A list of dictionaries:
      column       name of the column
      kind         not_null, unique, accepted_values or accepted_range
      limits       the values or the two ends, for the last two
      description  what a failing row means; empty where the kind says it
#}
{% macro rules_of(node) -%}
    {%- set found = [] -%}
    {%- for column in node.columns.values() -%}
        {%- for written in column.meta.get('rules', []) -%}
            {%- set rule = {written: true} if written is string else written -%}
            {%- set kinds = rule.keys() | reject('equalto', 'description') | list -%}
            {%- if kinds | length != 1 or kinds[0] not in ('not_null', 'unique', 'accepted_values', 'accepted_range') -%}
                {{ exceptions.raise_compiler_error(
                    node.name ~ '.' ~ column.name ~ ': rule ' ~ written ~ ' is unknown. Write not_null, unique,'
                    ~ ' accepted_values: [...] or accepted_range: [lowest, highest]'
                ) }}
            {%- endif -%}
            {%- do found.append({
                'column': column.name,
                'kind': kinds[0],
                'limits': rule[kinds[0]],
                'description': rule.get('description', '') | trim,
            }) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{#
    Every rule of the project, from its YAML: a list of dictionaries. A test of another kind is one rule.
      relation_name, column_name  what it is about; no column where it is about rows
      rule, description           what holds, and what a failing row means, where the YAML says it
      severity                    error stops the run, warn is reported
      test_node                   the test of dbt that checks it
      cadence                     nightly, weekly or both: the tags that everything it reads has
#}
{% macro declared_rules() -%}
    {%- set found = [] -%}
    {%- for test in graph.nodes.values() | sort(attribute='name') if test.resource_type == 'test' -%}
        {%- set about = graph.nodes.get(test.attached_node, {}) -%}
        {%- set generic = test.get('test_metadata') or {} -%}
        {%- set arguments = generic.get('kwargs', {}) -%}
        {%- set base = {
            'relation_name': about.name or nightbook._first_read(test),
            'severity': test.config.severity | lower,
            'test_node': test.name,
            'cadence': nightbook._cadence_of(test),
        } -%}
        {%- if generic.get('name') == 'keeps_rules' -%}
            {%- for rule in rules_of(about) -%}
                {%- do found.append(dict(base, column_name=rule.column, rule=nightbook._rule_text(rule), description=rule.description)) -%}
            {%- endfor -%}
            {%- if arguments.get('unique') -%}
                {%- do found.append(dict(base, column_name=arguments.unique | join(', '), rule='unique', description=test.description)) -%}
            {%- endif -%}
        {%- else -%}
            {%- do found.append(dict(base, column_name=test.column_name or '', rule=generic.get('name', test.name), description=test.description)) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# Query with one row per rule of declared_rules, whose fields are its columns. #}
{% macro rules_as_rows() -%}
    {%- set fields = ['relation_name', 'column_name', 'rule', 'description', 'severity', 'test_node', 'cadence'] -%}
    select {{ fields | join(', ') }}
    from (
        values
        {%- for one in (declared_rules() if execute else []) %}
        (
            {%- for field in fields -%}
            {{ text_literal(one[field].split() | join(' ')) }}{{ ', ' if not loop.last }}
            {%- endfor -%}
        ){{ ',' if not loop.last }}
        {%- endfor %}
    ) as listed ({{ fields | join(', ') }})
{%- endmacro %}

{# The first relation that a test without a relation of its own reads. #}
{% macro _first_read(test) -%}
    {%- set read = test.sources | map('join', '.') | list + test.refs | map(attribute='name') | list -%}
    {{ return(read[0] if read else '') }}
{%- endmacro %}

{# The cadences that every relation which a test reads belongs to. Sources belong to both. #}
{% macro _cadence_of(test) -%}
    {%- set found = [] -%}
    {%- for tag in ('nightly', 'weekly') -%}
        {%- set others = [] -%}
        {%- for parent in test.depends_on.nodes if parent in graph.nodes and tag not in graph.nodes[parent].config.tags -%}
            {%- do others.append(parent) -%}
        {%- endfor -%}
        {%- if not others -%}{%- do found.append(tag) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(found | join(', ')) }}
{%- endmacro %}

{#
    One row per broken rule: column_name, rule, failing_rows, an example and, where the rule says it, the meaning. All
    rules but those of unique values are counted in one scan.

    relation: what is read.
    rules: as rules_of returns them.
    key: columns that identify a row, for the rule that they are unique and for the example.
#}
{% macro broken_rules(relation, rules, key=[]) -%}
    {%- if execute and not rules and not key -%}
        {{ exceptions.raise_compiler_error(relation ~ ': keeps_rules has neither a rule nor a key to test') }}
    {%- endif -%}
    {%- set per_row = rules | rejectattr('kind', 'equalto', 'unique') | list -%}
    {%- set keys = [key] if key else [] -%}
    {%- for rule in rules if rule.kind == 'unique' -%}{%- do keys.append([rule.column]) -%}{%- endfor -%}
    {%- set shown = keys[0] if keys else [] -%}
with

{% if per_row -%}
counted as (

    select
        {%- for rule in per_row %}
        {%- set fails = nightbook._breaks(rule) %}
        count(case when {{ fails }} then 1 end) as failing_{{ loop.index }},
        min(case when {{ fails }} then {{ nightbook._named_values(shown + ([] if rule.column in shown else [rule.column])) }} end) as example_{{ loop.index }}
        {{- "," if not loop.last }}
        {%- endfor %}
    from {{ relation }}

),

{% endif -%}
{%- for columns in keys %}
repeated_{{ loop.index }} as (

    select
        {{ columns | join(', ') }},
        count(*) as row_count
    from {{ relation }}
    group by {{ columns | join(', ') }}
    having count(*) > 1

),

{% endfor -%}
broken as (

    {%- for rule in per_row %}
    select
        {{ text_literal(rule.column) }} as column_name,
        {{ text_literal(nightbook._rule_text(rule)) }} as rule,
        failing_{{ loop.index }} as failing_rows,
        example_{{ loop.index }} as example,
        {{ text_literal(rule.description) }} as meaning
    from counted
    {{ "union all" if keys or not loop.last }}
    {%- endfor %}
    {%- for columns in keys %}
    select
        {{ text_literal(columns | join(', ')) }} as column_name,
        'unique' as rule,
        coalesce(sum(row_count), 0) as failing_rows,
        min({{ nightbook._named_values(columns) }}) as example,
        '' as meaning
    from repeated_{{ loop.index }}
    {{ "union all" if not loop.last }}
    {%- endfor %}

)

select
    column_name,
    rule,
    failing_rows,
    example,
    nullif(meaning, '') as meaning
from broken
where failing_rows > 0
order by failing_rows desc, column_name, rule
{%- endmacro %}

{# A rule in words. #}
{% macro _rule_text(rule) -%}
    {{ return(rule.kind ~ (' ' ~ rule.limits | join(', ') if rule.kind.startswith('accepted') else '')) }}
{%- endmacro %}

{# The condition of a row that breaks a rule. Nulls break not_null alone. #}
{% macro _breaks(rule) -%}
    {%- if rule.kind == 'not_null' -%} {{ rule.column }} is null
    {%- elif rule.kind == 'accepted_range' -%} {{ rule.column }} < {{ rule.limits[0] }} or {{ rule.column }} > {{ rule.limits[1] }}
    {%- else -%}
        {%- set values = [] -%}
        {%- for value in rule.limits -%}{%- do values.append(text_literal(value) if value is string else value) -%}{%- endfor -%}
        {{ rule.column }} not in ({{ values | join(', ') }})
    {%- endif -%}
{%- endmacro %}

{# Columns of a row as one text with their names. #}
{% macro _named_values(columns) -%}
    {%- for column in columns -%}
    '{{ ', ' if not loop.first }}{{ column }}=' || coalesce(cast({{ column }} as varchar), 'null')
    {{- " || " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
