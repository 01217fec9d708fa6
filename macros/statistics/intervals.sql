{#
    Ends of 95 % intervals in closed form: of rates, and of ratios and differences of independent figures.

    Wilson's interval of a rate never leaves 0 to 1, and it is not empty for a rate of 0 or 1. Ratio and difference
    recover the variance from the two figures' own intervals (MOVER), so that they share these properties. A group
    without approvals has a ratio of 0 with an upper end.

    Sources: Wilson (1927), Journal of the American Statistical Association 22:209-212; Newcombe (1998), Statistics in
    Medicine 17:873-890; Donner and Zou (2012), Statistical Methods in Medical Research 21:347-359; as recommended by
    Fagerland, Lydersen and Laake (2015), Statistical Methods in Medical Research 24:224-254.
#}

{# One end of Wilson's interval of events among cases. end: low or high. Null when cases is 0. #}
{% macro wilson(events, cases, end) -%}
    {%- set n = 'nullif(cast(' ~ cases ~ ' as double), 0)' -%}
    {%- set rate = '(cast(' ~ events ~ ' as double) / ' ~ n ~ ')' -%}
    {%- set margin = '1.959963985 * sqrt(' ~ rate ~ ' * (1 - ' ~ rate ~ ') / ' ~ n ~ ' + 0.960364705 / (' ~ n ~ ' * ' ~ n ~ '))' -%}
    {%- set centre = rate ~ ' + 1.92072941 / ' ~ n -%}
    {%- if end == 'low' -%}
    case when {{ events }} = 0 and {{ cases }} > 0 then 0 else ({{ centre }} - {{ margin }}) / (1 + 3.84145882 / {{ n }}) end
    {%- else -%}
    case when {{ events }} = {{ cases }} and {{ cases }} > 0 then 1 else ({{ centre }} + {{ margin }}) / (1 + 3.84145882 / {{ n }}) end
    {%- endif -%}
{%- endmacro %}

{#
    One end of the interval of figure minus other. Each is a prefix of columns <prefix>value, <prefix>low and
    <prefix>high, of independent samples.
    end: low or high.
#}
{% macro difference_end(figure, other, end) -%}
    {%- if end == 'low' -%}
    {{ figure }}value - {{ other }}value
    - sqrt(power({{ figure }}value - {{ figure }}low, 2) + power({{ other }}high - {{ other }}value, 2))
    {%- else -%}
    {{ figure }}value - {{ other }}value
    + sqrt(power({{ figure }}high - {{ figure }}value, 2) + power({{ other }}value - {{ other }}low, 2))
    {%- endif -%}
{%- endmacro %}

{#
    One end of the interval of figure divided by other, prefixes as in difference_end. Null where other is 0. The lower
    end is written so that no divisor changes its sign.
#}
{% macro ratio_end(figure, other, end) -%}
    {%- set product = figure ~ 'value * ' ~ other ~ 'value' -%}
    {%- if end == 'low' -%}
    {%- set above = figure ~ 'low * (2 * ' ~ figure ~ 'value - ' ~ figure ~ 'low)' -%}
    {%- set below = other ~ 'high * (2 * ' ~ other ~ 'value - ' ~ other ~ 'high)' -%}
    {%- set root = 'sqrt(' ~ greatest_of(['power(' ~ product ~ ', 2) - ' ~ above ~ ' * ' ~ below, '0']) ~ ')' -%}
    case
        when {{ other }}value = 0 then null
        when {{ figure }}value = 0 then 0
        else {{ quotient('(' ~ above ~ ')', 'nullif(' ~ product ~ ' + ' ~ root ~ ', 0)') }}
    end
    {%- else -%}
    {%- set above = figure ~ 'high * (2 * ' ~ figure ~ 'value - ' ~ figure ~ 'high)' -%}
    {%- set below = other ~ 'low * (2 * ' ~ other ~ 'value - ' ~ other ~ 'low)' -%}
    {%- set root = 'sqrt(' ~ greatest_of(['power(' ~ product ~ ', 2) - ' ~ above ~ ' * ' ~ below, '0']) ~ ')' -%}
    {{ quotient('(' ~ product ~ ' + ' ~ root ~ ')', 'nullif(' ~ below ~ ', 0)') }}
    {%- endif -%}
{%- endmacro %}
