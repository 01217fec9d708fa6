{#
    The due date that a time belongs to: the first deadline whose window holds the time. The window opens some hours
    before.
#}
{% macro due_date_of(moment, deadline) -%}
    {%- set opened -%}
        cast({{ add_seconds(
            local_time(moment, deadline ~ '.time_zone'),
            deadline ~ '.opens_hours * 3600 - ' ~ deadline ~ '.due_seconds'
        ) }} as date)
    {%- endset -%}
    case
        when {{ deadline }}.weekday is null then {{ opened }}
        else {{ add_days(
            opened,
            '-(' ~ days_between(add_days("date '2001-01-01'", deadline ~ '.weekday - 1'), opened) ~ ' % 7)'
        ) }}
    end
{%- endmacro %}
