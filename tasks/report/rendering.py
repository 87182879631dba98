"""The templates of the page."""

from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined


@cache
def _templates() -> Environment:
    loader = PackageLoader("tasks.report")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined)


def rendered(template: str, **values: object) -> str:
    """The template with its values, which are escaped unless they are `Markup`."""
    return _templates().get_template(template).render(**values)
