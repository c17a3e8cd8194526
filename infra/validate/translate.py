"""Turns the SAM template into CloudFormation JSON as the deploy would, offline.

usage: translate.py TEMPLATE OUT
"""

import json
import os
import sys

os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")

from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator
from samtranslator.yaml_helper import yaml_parse


def main(template_path, out_path):
    with open(template_path, encoding="utf-8") as f:
        template = yaml_parse(f.read())
    # The translator only accepts code that was uploaded; `sam deploy` puts such an address here.
    template["Globals"]["Function"]["CodeUri"] = "s3://artifacts/code.zip"
    # Without parameter values, references and conditions stay as they are written.
    translated = Translator({}, Parser()).translate(template, {})
    with open(out_path, "w", encoding="utf-8") as f:
        json.dump(translated, f, indent=1, sort_keys=True)
        f.write("\n")


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
