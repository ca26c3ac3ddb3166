from . import adaptive as adaptive
from . import aims as aims
from . import ball as ball
from . import directions as directions
from . import kernels as kernels
from . import losses as losses
from . import starts as starts
from . import steps as steps
from . import targets as targets
from .attack import Attack as Attack
from .errors import InputError as InputError
from .experiments.evaluation import Evaluation as Evaluation
from .experiments.evaluation import evaluate as evaluate
from .methods import AttackConfig as AttackConfig
from .plans import Report as Report
from .restarts import clean_accuracy as clean_accuracy
from .restarts import worst_case as worst_case
from .target import Bounds as Bounds
from .target import Dataset as Dataset
from .target import Target as Target

__version__: str
