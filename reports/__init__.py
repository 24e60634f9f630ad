"""From stored results to statistics, tables and figures. Nothing here touches torch or a model."""
