{#
    The first of all hooks. Before anything is written, it refuses a build that would mix rows of several runs or
    publish without the checks.

    A node is built with everything that it depends on, in one invocation, so that no model reads what another run left.
    A build that scores or trains must contain the whole cadence, its tests included.

    The override partial_run, which is recorded with the run, allows a part of a cadence, a build without tests, and
    --defer. Nothing allows the rest.
#}
{% macro refuse_partial_run() %}
    {%- if execute and flags.WHICH in ('build', 'run', 'seed', 'snapshot', 'retry') -%}
        {%- if 'retry' in (flags.WHICH, invocation_args_dict.which) or not selected_resources -%}
            {{ nightbook._refuse('`dbt retry` would mix rows of two runs. Run the full command again') }}
        {%- endif -%}
        {%- for flag, is_set in {'--empty': flags.EMPTY, '--sample': invocation_args_dict.sample}.items() if is_set -%}
            {{ nightbook._refuse(flag ~ ' builds relations from only some rows. Leave it out') }}
        {%- endfor -%}
        {#- With these edges dbt publishes before tests with several parents have ended. -#}
        {%- if flags.USE_FAST_TEST_EDGES or invocation_args_dict.use_fast_test_edges -%}
            {{ nightbook._refuse('--use-fast-test-edges publishes before the tests have ended. Leave it out') }}
        {%- endif -%}
        {#- A run is recorded with the digest of its code, which is read from these files. -#}
        {%- for flag in ('target_path', 'partial_parse_file_path') if invocation_args_dict.get(flag) -%}
            {{ nightbook._refuse('--' ~ flag | replace('_', '-') ~ ' hides which code runs. Leave it out') }}
        {%- endfor -%}
        {%- if not flags.WRITE_JSON -%}
            {{ nightbook._refuse('--no-write-json hides which code runs. Leave it out') }}
        {%- endif -%}
        {%- set request = requested() -%}
        {%- set has_override = overrides_in(request.overrides) | selectattr('rule', 'in', ['*', 'partial_run']) | list -%}
        {#- A relation that is read elsewhere need not come from any run of this warehouse. -#}
        {%- if (flags.DEFER or invocation_args_dict.defer or invocation_args_dict.favor_state) and not has_override -%}
            {{ nightbook._refuse('--defer and --favor-state read relations of another environment. Leave them out') }}
        {%- endif -%}
        {%- set selected = {} -%}
        {%- for one in selected_resources -%}{%- do selected.update({one: true}) -%}{%- endfor -%}
        {%- set cadences = nightbook.cadences_of(selected) -%}
        {%- for one in selected if one in graph.nodes and graph.nodes[one].resource_type in ('model', 'snapshot') -%}
            {%- for parent in graph.nodes[one].depends_on.nodes
                if parent not in selected and parent.split('.')[0] in ('model', 'snapshot', 'seed')
                and not nightbook._is_of_the_other_cadence(graph.nodes[one], graph.nodes[parent], cadences) -%}
                {%- set name = graph.nodes[one].name -%}
                {{ nightbook._refuse(
                    name ~ ' would read ' ~ graph.nodes[parent].name ~ ' from another run. Build both: dbt build --select '
                    ~ nightbook._whole_of(graph.nodes[one])
                ) }}
            {%- endfor -%}
        {%- endfor -%}
        {%- for tag in cadences if not has_override -%}
            {%- for one in graph.nodes.values() if one.unique_id not in selected -%}
                {%- set is_due = one.resource_type in ('model', 'snapshot', 'seed') and tag in one.config.tags -%}
                {%- if is_due or (one.resource_type == 'test' and nightbook._is_about(one, selected)) -%}
                    {{ nightbook._refuse(
                        'This build would publish without ' ~ one.name ~ '. Build the whole cadence: dbt build --select tag:' ~ tag
                    ) }}
                {%- endif -%}
            {%- endfor -%}
        {%- endfor -%}
    {%- endif -%}
{% endmacro %}

{# Cadences that a selection belongs to: nightly if it has champions, weekly if it has candidates. #}
{% macro cadences_of(selected) -%}
    {%- set found = [] -%}
    {%- for tag, first in {'nightly': 'model.nightbook.champions', 'weekly': 'model.nightbook.candidates'}.items() -%}
        {%- if first in selected -%}{%- do found.append(tag) -%}{%- endif -%}
    {%- endfor -%}
    {{ return(found) }}
{%- endmacro %}

{# Whether a data test checks a selection before it is published: everything that the test reads is selected. #}
{% macro _is_about(test, selected) -%}
    {%- set parents = test.depends_on.nodes | reject('in', graph.sources) | list -%}
    {{ return(parents and not parents | reject('in', selected) | list) }}
{%- endmacro %}

{#
    Whether a node reads what another cadence left. Views over both cadences do, and so do the rules that ask for a
    training.
#}
{% macro _is_of_the_other_cadence(node, parent, cadences) -%}
    {%- set own = node.config.tags | select('in', ['nightly', 'weekly', 'training_need']) | list -%}
    {%- set others = parent.config.tags | select('in', ['nightly', 'weekly']) | list -%}
    {{ return(others | length == 1 and others[0] not in cadences and (own | reject('in', others) | list) != []) }}
{%- endmacro %}

{# The selection that builds a node and everything under it. #}
{% macro _whole_of(node) -%}
    {%- set cadences = node.config.tags | select('in', ['nightly', 'weekly']) | list -%}
    {{ return('tag:' ~ cadences[0] if cadences | length == 1 else '+' ~ node.name) }}
{%- endmacro %}

{% macro _refuse(why) -%}
    {{ exceptions.raise_compiler_error(why ~ '. Nothing was written') }}
{%- endmacro %}
