{#
    Fails for each input that has a value tonight outside the range that the catalog gives it, and for each without a
    range. It reads the profile, so that no test of an input reads the book.
#}
{% test is_possible(model) %}
select
    profile.model_name,
    profile.feature,
    profile.lowest,
    profile.highest,
    catalog.lowest as possible_from,
    catalog.highest as possible_to
from {{ model }} as profile
left join {{ ref('feature_catalog') }} as catalog
    on
        profile.model_name = catalog.model_name
        and profile.feature = catalog.name
where
    catalog.lowest is null
    or catalog.highest is null
    or profile.lowest < catalog.lowest
    or profile.highest > catalog.highest
{% endtest %}
