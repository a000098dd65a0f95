"""The lake: object keys, the store behind them, month partitions, and the record of what each stage did."""
