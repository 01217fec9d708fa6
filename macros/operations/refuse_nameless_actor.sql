{#
    Stops a run that has no accountable name, before anything is written. NIGHTBOOK_ACTOR is set to nothing, or the name
    has no letter or digit, or it has an invisible character. The library makes the same check in nightbook.people. It
    has the same list of invisible characters that Python counts as printable.
#}
{% macro refuse_nameless_actor() -%}
    {%- if execute -%}
        {%- set is_set = env_var('NIGHTBOOK_ACTOR', '(not set)\n') != '(not set)\n' -%}
        {%- set name = (env_var('NIGHTBOOK_ACTOR') if is_set else requested().actor) | trim -%}
        {%- set unseen = '[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]' -%}
        {%- if not name.isprintable() or modules.re.search(unseen, name) or not modules.re.search('[^\\W_]', name) -%}
            {{ exceptions.raise_compiler_error(
                ('NIGHTBOOK_ACTOR' if is_set else 'the login name') ~ ' is empty or not readable. Set NIGHTBOOK_ACTOR to the person'
                ~ ' responsible for this run' ~ (', or unset it to use the login name.' if is_set else '.')
            ) }}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
