"""Files near 400 lines ask for the second idea inside; past 600 they fail."""
import tree

ASK, FAIL = 400, 600


def main():
    sizes = {path: tree.read(path).count("\n") for path in tree.files(".h", ".cpp", ".py", ".sh", ".proto")}
    for path, lines in sorted(sizes.items(), key=lambda item: -item[1]):
        if ASK < lines <= FAIL:
            print(f"asks for a split: {path} has {lines} lines")
    tree.report([f"{path} has {lines} lines" for path, lines in sizes.items() if lines > FAIL],
                f"no source file has more than {FAIL} lines")


if __name__ == "__main__":
    main()
