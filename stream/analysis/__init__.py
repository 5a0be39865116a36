"""Off-line commands: replay, backtest, evaluation, explanation of decisions."""
