"""The backend of matplotlib in the sandbox: ``plt.show()`` shows every open figure to who asked, and closes it."""

from __future__ import annotations

import builtins
from typing import Any

from matplotlib._pylab_helpers import Gcf
from matplotlib.backend_bases import FigureManagerBase
from matplotlib.backends.backend_agg import FigureCanvasAgg


class FigureManager(FigureManagerBase):
    """Shows figures by handing them over."""

    @classmethod
    def pyplot_show(cls, *args: Any, **kwargs: Any) -> None:
        """Hand all open figures over."""
        for manager in list(Gcf.get_all_fig_managers()):
            builtins.sandbox_shows(manager.canvas.figure)  # type: ignore[attr-defined]
        Gcf.destroy_all()


class FigureCanvas(FigureCanvasAgg):
    """Draws without a screen."""

    manager_class = FigureManager
