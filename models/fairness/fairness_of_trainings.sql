-- One row per training run, model, group of an attribute and metric: the candidate on its holdout.
{{ config(pre_hook="{{ drop_broken_off_rows() }}") }}

{{ fairness_figures(ref('holdout_group_steps'), 'holdout', ref('candidates'), mlflow_run_id='mlflow_run_id') }}
