#!/bin/sh
# Print a Python the project runs on: $PYTHON, one on PATH, or one uv brings.
# CrewAI admits 3.12 and 3.13.
fits='import sys
if (3, 12) <= sys.version_info < (3, 14):
    print(sys.executable)
else:
    sys.exit(1)'
for candidate in "${PYTHON:-}" python3.13 python3.12 python3; do
  [ -n "$candidate" ] && "$candidate" -c "$fits" 2>/dev/null && exit 0
done
if command -v uv >/dev/null; then
  exec uv run --quiet --no-project --python 3.13 python -c "$fits"
fi
echo "Python 3.12 or 3.13 is needed: install one, name it with PYTHON=…, or install uv." >&2
exit 1
