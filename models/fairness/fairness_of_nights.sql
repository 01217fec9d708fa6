-- One row per night, group of an attribute and metric: the night's decisions on applications.

{{ fairness_figures(ref('tonight_group_steps'), 'tonight', ref('champions'), model_version='model_version') }}
