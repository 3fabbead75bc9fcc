"""Reads one JSON object and prints one of its fields; a list one item a line. Nothing read, nothing printed.

    json_field.py FIELD < object.json
"""
import json
import sys

text = sys.stdin.read()
value = json.loads(text).get(sys.argv[1], "") if text.strip() else ""
print("\n".join(map(str, value)) if isinstance(value, list) else value)
