# Reads in-toto statements, a JSON array, from its standard input; says what the validators of the SPDX and in-toto projects find wrong.

import json
import os
import sys
import tempfile

from google.protobuf.json_format import ParseDict
from in_toto_attestation.predicates.provenance.v1.provenance_pb2 import Provenance
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.v1.statement import Statement
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document


def without_extensions(value):
    """What SLSA calls extension fields: BuildKit's begin with its name."""
    if isinstance(value, dict):
        return {key: without_extensions(each) for key, each in value.items() if not key.startswith("buildkit_")}
    return [without_extensions(each) for each in value] if isinstance(value, list) else value


def check(statement):
    message = ParseDict(statement, statement_pb2.Statement())
    Statement.copy_from_pb(message).validate()
    kind, predicate = statement["predicateType"], statement["predicate"]
    if kind == "https://slsa.dev/provenance/v1":
        ParseDict(without_extensions(predicate), Provenance())
    elif kind == "https://spdx.dev/Document":
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "bill.spdx.json")
            with open(path, "w", encoding="utf8") as file:
                json.dump(predicate, file)
            for message in validate_full_spdx_document(parse_file(path)):
                yield f"{message.validation_message} ({message.context.spdx_id})"


wrong = 0
for statement in json.load(sys.stdin):
    try:
        found = list(check(statement))
    except Exception as error:  # whatever a parser throws is a finding
        found = [repr(error)]
    wrong += len(found)
    for line in found:
        print(f"{statement.get('predicateType')}: {line}")
sys.exit(1 if wrong else 0)
