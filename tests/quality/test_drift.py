"""The drift watch: how it reads SDKs, here those of a zoo, and which differences it finds and explains."""

import re
from dataclasses import replace

from tools import drift
from tools.drift import Data, Difference, compare
from tools.sdk_packages import Operation, Package, parse_python, parse_typescript, scope_sets

PYTHON = {
    "zoo/_version.py": '__version__: str = "3.1.4"\n__openapi_doc_version__: str = "v2026.07.00"\n',
    "zoo/_hooks/version.py": 'request.headers["X-Moov-Version"] = document_version\n',
    "zoo/models/errors/hunger.py": "class HungerData(Model):\n    food: str\n    at_night: str = ''\n",
    "zoo/models/components/applicationscope.py": 'class ApplicationScope(Enum):\n    LIONS = "lions.feed"\n',
    "zoo/lions.py": '''
class Lions:
    def feed(self, lion):
        """Feed a lion. It takes the `/zoos/{zooID}/lions.feed` scope.

        :param lion: not one that needs `/zoos/{zooID}/tigers.feed`
        """
        request = self.build(method="POST", path="/zoos/{zooID}/lions", body=lion)
        answer = self.send(request, operation_id="feedLion", retries=["429", "500"])
        if match_response(answer, "204", "*"):
            return None
        if match_response(answer, ["409", "422"], "application/json"):
            raise errors.Hunger(read(errors.HungerData, answer))
        if match_response(answer, ["404", "4XX"], "*"):
            raise errors.Other(answer)

    async def feed_async(self, lion):
        return self.send(self.build(method="PUT", path="/again"), operation_id="feedAgain")

    def helper(self, method="GET"):
        return None
''',
}
TYPESCRIPT = {
    "package/src/lib/config.ts": '  openapiDocVersion: "v2026.07.00",\n  sdkVersion: "3.1.4",\n',
    "package/src/hooks/version.ts": 'headers.set("x-moov-version", documentVersion);\n',
    "package/src/models/errors/hunger.ts": """
export const Hunger$inboundSchema: Type<Hunger> = z.object({
  food: z.string(),
  at_night: z.string().optional(),
  request$: z.instanceof(Request),
}).transform(remap);
""",
    "package/src/models/components/applicationscope.ts": 'const Scopes = { Lions: "lions.feed" };\n',
    "package/src/funcs/feed.ts": """
/** Not of an operation: `/zoos/{zooID}/tigers.feed`. */
const limit = 3;
/**
 * Feed a lion. It takes the
 * `/zoos/{zooID}/lions.feed` scope.
 */
export function feed(lion: Lion) {
  const path = pathToFunc("/zoos/{zooID}/lions")({});
  const context = { operationID: "feedLion", retryCodes: ["429", "500"] };
  send(context, { method: "POST" });
  M.match<Fed>(
    M.nil(204, Fed$inboundSchema),
    M.jsonErr([409, 422], errors.Hunger$inboundSchema),
    M.fail([404, "4XX"]),
  );
}
""",
}
KEY = ("POST", "/zoos/{zooID}/lions")
FEED = "/zoos/{zooID}/lions.feed"
HUNGER = frozenset({"food", "at_night"})
OPERATION = Operation(
    name="feedLion",
    scopes=frozenset([frozenset([FEED])]),
    responses={204: frozenset(), 404: frozenset(), 409: HUNGER, 422: HUNGER},
)
ZOO = Package(
    name="zoo",
    version="3.1.4",
    sends="v2026.07.00",
    operations={KEY: OPERATION},
    application_scopes=frozenset(["lions.feed"]),
)
OURS = Data(operations={KEY: OPERATION}, provenance={}, scopes={FEED: ["operation"]})


def differing(theirs: Package = ZOO, ours: Data = OURS) -> list[tuple[str, str, str, str]]:
    return [(each.kind, each.subject, each.text, each.reason) for each in compare(theirs, ours)]


def absent(provenance: dict[str, str]) -> list[str]:
    """The reasons for an operation and its scope that only our data has."""
    key, scope = ("GET", "/tigers"), "/tigers.read"
    tigers = Operation(name="listTigers", scopes=frozenset([frozenset([scope])]), responses={})
    ours = Data(
        operations={**OURS.operations, key: tigers},
        provenance={key: provenance},
        scopes={**OURS.scopes, scope: ["operation"]},
    )
    operation, of_scope = differing(ours=ours)
    assert operation[:3] == ("operation", "GET /tigers", "only in our data")
    assert of_scope[:3] == ("scope", scope, "only in our data")
    return [operation[3], of_scope[3]]


def test_both_languages_are_read_alike() -> None:
    assert replace(parse_python(PYTHON), name="zoo") == ZOO
    assert replace(parse_typescript(TYPESCRIPT), name="zoo") == ZOO


def test_sdk_without_the_header_sends_no_version() -> None:
    python = {path: text for path, text in PYTHON.items() if "_hooks" not in path}
    found = differing(replace(parse_python(python), name="zoo"))
    assert found == [("version", "none", "not a dated version to mockmoov", "")]


def test_sentence_or_an_or_starts_another_set_of_scopes() -> None:
    text = "Needs `/a.read`, `/{partnerID}/b.read` and\n `/c.read`. Or else it\nneeds `/d.read` or `/e.read`."
    sets = [{"/a.read", "/{partnerID}/b.read", "/c.read"}, {"/d.read"}, {"/e.read"}]
    assert scope_sets(text) == frozenset(map(frozenset, sets))
    assert scope_sets("See [scopes](https://zoo.example/a.read) and `file.read`.") == frozenset()


def test_same_data_has_no_differences() -> None:
    assert differing() == []
    ours = drift.our_data()
    same = replace(ZOO, operations=ours.operations, application_scopes=frozenset())
    assert {each.kind for each in compare(same, ours)} == {"scope"}  # those that no operation needs


def test_differences_of_an_operation_are_found() -> None:
    other = Operation(
        name="feedLions",
        scopes=frozenset(),
        responses={200: frozenset(), 404: frozenset(), 409: HUNGER, 422: frozenset(["food"]), 500: HUNGER},
    )
    subject = " ".join(KEY)
    assert differing(replace(ZOO, operations={KEY: other})) == [
        ("name", subject, "feedLions; ours: feedLion", ""),
        ("scopes", subject, f"none; ours: {FEED}", ""),
        ("status", f"{subject} 200", "no fields; ours: not listed", ""),
        ("status", f"{subject} 204", "not listed; ours: no fields", ""),
        ("status", f"{subject} 422", "food; ours: at_night, food", ""),
    ]


def test_operations_and_scopes_that_we_lack_are_found() -> None:
    ours = Data(operations={}, provenance={}, scopes={})
    assert differing(ours=ours) == [
        ("operation", " ".join(KEY), "only in the package", ""),
        ("scope", FEED, "only in the package", ""),
        ("scope", "lions.feed", "only in the package", ""),
    ]


def test_provenance_explains_what_a_package_lacks() -> None:
    assert absent({"versions": "v2024.01.00 to v2025.10.00"}) == ["v2024.01.00 to v2025.10.00 only"] * 2
    assert absent({"source": "sdk aquarium 2.0"}) == ["source: sdk aquarium 2.0"] * 2
    assert absent({"note": "no longer in zoo 3.0"}) == ["no longer in zoo 3.0"] * 2


def test_a_source_in_the_package_does_not_explain_its_absence() -> None:
    for provenance in (
        {},
        {"source": "sdk zoo 3.0"},
        {"versions": "v2024.01.00 to v2026.07.00", "source": "sdk aquarium 2.0"},
        {"note": "Basic only"},
    ):
        assert absent(provenance) == ["", ""]


def test_note_explains_one_of_our_alternatives_only() -> None:
    note = {KEY: {"note": "either will do"}}
    either = replace(OPERATION, scopes=OPERATION.scopes | {frozenset(["/keeper.write"])})
    ours = replace(OURS, operations={KEY: either}, provenance=note)
    assert [reason for *_, reason in differing(ours=ours)] == ["either will do"]
    wider = replace(ZOO, operations={KEY: either})
    assert [reason for *_, reason in differing(wider, replace(OURS, provenance=note))] == ["", ""]


def test_table_of_explanations_explains_only_what_it_names() -> None:
    key, ours = ("POST", "/oauth2/token"), drift.our_data()
    token = ours.operations[key]
    assert token.responses == {
        200: frozenset(),
        400: frozenset(["error"]),
        401: frozenset(),
        422: frozenset(["scope", "refresh_token"]),
        429: frozenset(),
    }
    unlisted = {status: fields for status, fields in token.responses.items() if status != 401}
    for responses, is_explained in ((unlisted, True), ({**unlisted, 401: frozenset(["error"])}, False)):
        theirs = replace(ZOO, operations={key: replace(token, responses=responses)})
        (found,) = compare(theirs, replace(ours, operations={key: token}, scopes={"/a/lions.feed": []}))
        assert (found.subject, bool(found.reason)) == ("POST /oauth2/token 401", is_explained)


def test_report_counts_and_separates_what_is_explained() -> None:
    known = Difference(kind="scope", subject="/a", text="only in our data", reason="source: seed")
    new = Difference(kind="scope", subject="/b", text="only in the package")
    text = drift.report({known: ["zoo"], new: ["zoo"]}, [ZOO], OURS, "2026-11-29")
    assert "compared with zoo 3.1.4 on 2026-11-29." in text
    assert "| `zoo` | 3.1.4 | v2026.07.00 | 1 | 1 | 1 | 1 |" in text
    assert "npm" in text
    unexplained, _, explained = text.partition("## Unexplained")[2].partition("## Explained")
    assert re.findall(r"`(/\w)`", unexplained) == ["/b"]
    assert re.findall(r"`(/\w)`", explained) == ["/a"]
    assert drift.report({}, [ZOO, ZOO], OURS, "2026-11-29").count("None.") == 2
