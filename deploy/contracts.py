"""A contract for lint-imports that it lacks itself; `.importlinter` names it."""

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, output


class OwnPackageContract(Contract):
    """No module imports a package that it is part of and that imports it, directly or not.

    The contract `acyclic_siblings` sees circles among the parts of a package only; this one sees
    those that go through the package's own ``__init__``. The two together find every circle.
    """

    type_name = "own_package"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        """The pairs of module and package that import each other."""
        del verbose
        circles = [
            f"{module} -> {package} -> … -> {module}"
            for module in sorted(graph.modules)
            for package in sorted(graph.find_modules_directly_imported_by(module))
            if module.startswith(f"{package}.") and graph.chain_exists(importer=package, imported=module)
        ]
        return ContractCheck(kept=not circles, metadata={"circles": circles})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """One line per circle."""
        for circle in check.metadata["circles"]:
            output.print_error(circle)
