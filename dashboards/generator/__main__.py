"""Write dashboards/*.json: run this after every change here, of a gate, or of a phase."""

from pathlib import Path

from dashboards.generator import every

FOLDER = Path(__file__).parents[1]

if __name__ == "__main__":
    for name, text in every.rendered().items():
        (FOLDER / f"{name}.json").write_text(text, "utf-8")
