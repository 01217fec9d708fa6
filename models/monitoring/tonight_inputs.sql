-- One row per model and input: what drift and tests need to know of tonight's population.
select
    model_name,
    model_version,
    feature,
    max(case_count) as case_count,
    max(case when bin = -1 then actual_share else 0 end) as null_share,
    min(lowest) as lowest,
    max(highest) as highest,
    max(gain_share) as gain_share,
    {{ rounded(psi('reference_share', 'actual_share'), 9) }} as psi
from {{ ref('tonight_shares') }}
group by model_name, model_version, feature
