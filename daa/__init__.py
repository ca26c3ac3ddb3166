"""Distributionally Adversarial Attack (Zheng, Chen, Ren) and its baselines, in TensorFlow.

The public names load when they are first used, so `import daa` takes no time and has no effect.
"""

import lazy_loader

__version__ = "0.3.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
