"""From raw results to the paper's tables and figures; never imports torch and decodes no frame."""
