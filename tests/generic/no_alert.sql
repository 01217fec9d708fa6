{#
    Fails for each input in alert tonight that nobody has overridden. The one that moved most comes first.
    is_important: the inputs that matter most to the score, or the others.
#}
{% test no_alert(model, is_important) %}
select
    model_name,
    feature,
    value as psi,
    alert_at,
    gain_share
from {{ model }}
where
    as_of_date in (select as_of_date from {{ ref('int_run') }})
    and status = 'alert'
    and not is_overridden
    and {{ 'is_important' if is_important else 'not is_important' }}
order by value desc, model_name, feature
{% endtest %}
