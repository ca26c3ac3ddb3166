from . import targets as targets
from .attacks import adaptive as adaptive
from .attacks import aims as aims
from .attacks import ball as ball
from .attacks import directions as directions
from .attacks import kernels as kernels
from .attacks import losses as losses
from .attacks import starts as starts
from .attacks import steps as steps
from .attacks.attack import Attack as Attack
from .attacks.methods import AttackConfig as AttackConfig
from .attacks.plans import Report as Report
from .attacks.worst_case import clean_accuracy as clean_accuracy
from .attacks.worst_case import worst_case as worst_case
from .errors import InputError as InputError
from .evaluation.evaluate import evaluate as evaluate
from .evaluation.report import Evaluation as Evaluation
from .reports.results import load_results as load_results
from .target import Bounds as Bounds
from .target import Dataset as Dataset
from .target import Target as Target

__version__: str
