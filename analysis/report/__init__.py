"""The report: one HTML file with every score, curve, table and figure, the models' cards and where all of it came from.

Python gathers the numbers as JSON and fills the page; the scripts beside it sort, filter, draw and play.
"""

from analysis.report.choice import disagreements as disagreements
from analysis.report.choice import drawn as drawn
from analysis.report.page import write as write
