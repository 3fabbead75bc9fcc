"""Each folder of code says in at most ten lines what it is, what it is not, and where to start."""
import tree

LINES = 10


def main():
    folders = {"/".join(path.split("/")[:2]) for path in tree.files(".h", ".cpp")
               if path.startswith(("core/", "server/", "client/"))} | {"proto", "deploy", "tests"}
    findings = []
    for folder in sorted(folders):
        readme = tree.ROOT / folder / "README.md"
        if not readme.is_file():
            findings.append(f"{folder}: no README.md")
        elif (lines := readme.read_text().count("\n")) > LINES:
            findings.append(f"{folder}/README.md has {lines} lines")
    tree.report(findings, f"every folder has a README.md of at most {LINES} lines")


if __name__ == "__main__":
    main()
