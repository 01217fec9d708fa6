{#
    Fails for each key that a load brought twice: two rows of one grain and one load time, so that which of them is the
    latest would be a matter of chance.
#}
{% test versions_are_unique(model, grain) %}
select
    {{ grain | join(', ') }},
    _loaded_at,
    count(*) as row_count
from {{ model }}
where _loaded_at <= {{ known_at() }}
group by {{ grain | join(', ') }}, _loaded_at
having count(*) > 1
{% endtest %}
