-- One row per model that has a challenger: the newest version that is newer than the champion and was never approved.
with

versions as (

    select * from {{ ref('fct_model_versions') }}

),

champions as (

    select * from {{ ref('champions') }}

)

select
    versions.model_name,
    versions.model_version,
    versions.model_digest,
    versions.metadata_digest,
    champions.model_version as champion_version
from versions
inner join champions on versions.model_name = champions.model_name
where versions.model_version > champions.model_version and versions.approved_at is null
qualify row_number() over (partition by versions.model_name order by versions.model_version desc) = 1
