-- One row per training run, model, group of an attribute and metric: the candidate on its holdout.
{{ fairness_figures(ref('holdout_group_steps'), 'holdout', ref('candidates'), mlflow_run_id='mlflow_run_id') }}
