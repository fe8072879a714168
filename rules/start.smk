# What comes before the configuration is read: the library, errors without tracebacks, YAML with line numbers.
import sys
from functools import wraps
from pathlib import Path

# Not `workflow.basedir`: that is the other workflow's folder where this one is used as a module.
RULES_FOLDER = workflow.current_basedir.get_path_or_uri(secret_free=True)
SCATTERFLOW = Path(RULES_FOLDER).parent
if not SCATTERFLOW.joinpath("scripts/scatterflow").is_dir():
    sys.exit(
        f"error: there is no library beside {RULES_FOLDER}\n"
        "where: the module `scatterflow`\n"
        "mend:  clone the repository, and give `snakefile` the path of the clone's Snakefile"
    )
sys.path.insert(0, str(SCATTERFLOW / "scripts"))

from scatterflow.config.load import read_yaml
from scatterflow.errors import UserError

DEFAULT_CONFIGURATION = "config/config.yaml"


def mendable(function):
    """The function, with a `UserError` printed in three lines and exit code 1, not as a traceback."""

    @wraps(function)
    def call(*arguments):
        try:
            return function(*arguments)
        except UserError as error:
            print(error, file=sys.stderr)
            sys.exit(1)

    return call


def each_attempt(amount):
    """As much memory or time for the first attempt of a job, twice as much for the second, and so on."""
    return lambda wildcards, attempt: attempt * amount


@mendable
def check_yaml(paths):
    """Refuse what is no YAML, with its line, and keys that stand twice, which Snakemake would merge."""
    for path in paths:
        read_yaml(path)


# A workflow that uses this one as a module hands its configuration over.
check_yaml(
    workflow.overwrite_configfiles or ([] if config else [DEFAULT_CONFIGURATION])
)
