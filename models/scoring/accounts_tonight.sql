-- One row per open account that is not in default: tonight's book with every feature.
with

run as (

    select * from {{ ref('int_run') }}

),

book as (

    select * from {{ ref('int_account_book') }}

),

features as (

    select * from {{ ref('feat_accounts') }}

)

select features.*
from features
inner join run on features.as_of_date = run.as_of_date
inner join book
    on
        features.account_id = book.account_id
        and features.as_of_date = book.as_of_date
where not book.is_in_default
