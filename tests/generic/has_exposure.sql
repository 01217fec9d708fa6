{#
    Fails for each account of tonight's book whose exposure cannot be computed. Without an exposure there is no
    provision, and marts would be written before anybody noticed.
#}
{% test has_exposure(model) %}
select
    account_id,
    product,
    balance,
    credit_limit
from {{ model }}
where
    as_of_date in (select as_of_date from {{ ref('int_run') }})
    and (balance is null or (product = 'credit_line' and credit_limit is null))
{% endtest %}
