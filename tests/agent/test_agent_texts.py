"""Documents that stay at home: the same models and worths as of uploaded files; refusals on both sides."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tokenizers
from typer.testing import CliRunner

from agent import adapters, documents
from agent.bases import BaseFolder
from agent.desk import Desk
from agent.errors import AgentError, NotAllowed
from agent.policy import Policy
from agent.state import Folder
from agent.text_desk import TextDesk
from app.checkpoints.folders import write
from app.cli import app as cli
from app.datasets.rows.tokens import load_tokenizer
from cherish import Client
from contract.agent_adapters import AdapterQuestion, unpacked_adapter
from contract.agents import AgentQuestion
from contract.architectures.packed_folder import packed_digest
from contract.proof.evidence import Evidence
from contract.rows.row_order import rows_digest
from contract.rows.token_blocks import fingerprints
from tests.agent_market import AgentMarket, table
from tests.place import zipped
from tests.tiny_decoders import DECODERS, write_decoder
from worker.engine.evaluation.evaluator import Evaluator
from worker.engine.games.problem import FROZEN, LearnerSpec, PlayerData, Problem, Rows
from worker.engine.learners.causal_lm import LanguageModel
from worker.engine.unlearning.provider_vectors import single_models
from worker.loading.model_folders import read_base, write_base

SHAPE: dict[str, float | int | str] = {"layers": 1, "width": 32, "heads": 2}
HYPER = {"context": 32, "rank": 2, "steps": 4, "batch": 4}
LINES = ("the sea rose and fell. ", "two and two are four; ", "neither sea nor sum, ")
ALLOWED: dict[str, Any] = {"learners": ("lm",), "least_rows": 5}
PLANTED = "quixotic zephyr 918273645"
ORDER = {
    "metric": "log_loss", "fidelity": "unlearn", "max_retrains": 0, "model": {"name": "lm", "hyper": HYPER},
}  # fmt: skip


def write_tiny_base(folder: Path) -> Path:
    learner = LanguageModel({**SHAPE, "rank": 0}, (33,), 256)
    write_base(folder, SHAPE, learner.layout.unpack(learner.start(0)), 256)
    return folder


def corpus(place: int, count: int = 12) -> list[str]:
    return [f"{LINES[place]}{number} " * (3 + number % 4) for number in range(count)]


def as_csv(texts: list[str]) -> str:
    return "\n".join(["text", *(f'"{text}"' for text in texts)]) + "\n"


def desk(folder: Path, base: Path, texts: list[str], **allowed: Any) -> TextDesk:
    folder.mkdir(exist_ok=True)
    (folder / "texts.csv").write_text(as_csv(texts))
    policy = Policy(**{**ALLOWED, **allowed})
    return TextDesk.of_documents(folder / "texts.csv", [base], policy, Folder(folder / "state"))


def worths(market: AgentMarket, job: str) -> dict[frozenset[str], float]:
    """What each coalition of providers is worth, as the evidence of a job says."""
    with zipfile.ZipFile(io.BytesIO(market.buyer.evidence(job))) as archive:
        (name,) = [each for each in archive.namelist() if each.endswith("evidence.json")]
        evidence = Evidence.read(json.loads(archive.read(name)))
    names = [player.name for player in evidence.players]
    (found,) = evidence.worths
    kept = [np.unpackbits(np.frombuffer(bytes.fromhex(each), np.uint8), bitorder="little") for each in found.coalitions]
    members = [frozenset(name for name, bit in zip(names, bits, strict=False) if bit) for bits in kept]
    return dict(zip(members, found.worths, strict=True))


def upload(client: Client, content: bytes, kind: str) -> str:
    made = client.post("/v1/datasets", {"name": "texts", "target": None, "kind": kind, "modality": "text"})
    client.put(f"/v1/datasets/{made['id']}/content", content)
    return str(made["id"])


def test_worths_of_documents_at_home_are_those_of_uploaded_ones(agent_market: AgentMarket, tmp_path: Path) -> None:
    buyer, base = agent_market.buyer, write_tiny_base(tmp_path / "base")
    checkpoint = buyer.post("/v1/checkpoints", {"name": "base", "architecture": "lm"})["id"]
    buyer.put(f"/v1/checkpoints/{checkpoint}/content", zipped(base))
    test = upload(buyer, as_csv([f"{text}!" for text in corpus(0, 4) + corpus(1, 4)]).encode(), "test")
    contents = [as_csv(corpus(place) + ([PLANTED] if place == 0 else [])) for place in range(3)]
    uploaded = []
    for key, content in zip(agent_market.keys, contents, strict=False):
        with Client(agent_market.url, key) as client:
            uploaded.append(upload(client, content.encode(), "train"))
            client.publish_dataset(uploaded[-1], "CC0-1.0")
    order = {**ORDER, "base": checkpoint}
    central = agent_market.run(uploaded, test, **order)
    assert central["status"] == "succeeded", central
    homes = agent_market.homes[:2]
    for home, content in zip(homes, contents, strict=False):
        (home.folder / "texts.csv").write_text(content)
        home.start_texts(agent_market.url, [base], Policy(**ALLOWED))
    mixed = [home.dataset for home in homes] + uploaded[2:]
    body = {"datasets": mixed, "test_dataset": test, "pool": "100.00", "currency": "EUR", **order}
    quoted = buyer.post("/v1/valuations/quote", body)["agents"]
    remote = agent_market.run(mixed, test, **order)
    assert remote["status"] == "succeeded", remote

    here, home_worths = (worths(agent_market, job["id"]) for job in (central, remote))
    everybody = max(here, key=len)
    assert len(everybody) == 3
    assert home_worths.keys() == here.keys()
    # a player's model is the same bits, so what it is worth alone is the same to the last digit
    assert all(home_worths[each] == here[each] for each in here if len(each) == 1)
    assert all(abs(home_worths[each] - here[each]) < 1e-6 for each in here if each != everybody)
    assert home_worths[everybody] > home_worths[frozenset()]

    values = remote["values"]
    assert sorted(player["at_home"] for player in values["players"]) == [False, True, True]
    assert "Worths are unaudited" in " ".join(values["notes"])
    assert values["evaluations"]["retrain"] == 0
    assert quoted["rounds"] == 1
    answered = [max(len(sent) for sent in home.capture.sent if b"/agents/questions/" in sent[:200]) for home in homes]
    assert all(quoted["bytes_sent"] < each < quoted["bytes_sent"] + 4096 for each in answered)
    sent = b"".join(homes[0].capture.sent)
    for word in PLANTED.split():
        assert word.encode() not in sent
        assert np.frombuffer(word.encode(), dtype=np.uint8).astype("<f4").tobytes() not in sent


def asked(own: TextDesk, **changes: Any) -> AdapterQuestion:
    """A question that the agent answers, with changes."""
    own.created("ds_" + "01" * 16)
    own.registered(own.registration())
    texts = own.registration().texts
    assert texts is not None
    hyper = {**SHAPE, **{name: value for name, value in HYPER.items() if name != "context"}}
    said = {
        "dataset": own.state.dataset, "registration": own.state.registration_digest,
        "commitment": own.state.commitment, "rows": own.state.rows, "game": "ab" * 32, "buyer": "acc_1",
        "purpose": None, "base": texts.bases[0].digest, "vocabulary": 256, "context": 32,
        "blocks": texts.blocks(texts.bases[0].digest, 32), "hyper": hyper, "seed": 3,
    }  # fmt: skip
    return AdapterQuestion.read(said | changes)


def test_an_answer_is_kept_counted_and_the_same_again(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    own = desk(tmp_path / "home", base, corpus(0))
    question = asked(own)
    answer = own.train(question)
    arrays = unpacked_adapter(question, answer)
    assert any(np.abs(array).max() > 0 for name, array in arrays.items() if name.endswith("lora_B.weight"))
    assert own.state.jobs == {question.game: 1}
    # another run of the agent, killed meanwhile: neither trains again nor counts again
    again = desk(tmp_path / "home", base, corpus(0))
    assert again.train(question) == answer
    assert again.state.jobs == {question.game: 1}
    other = desk(tmp_path / "other", base, list(reversed(corpus(0))))
    in_another_order = unpacked_adapter(asked(other), other.train(asked(other)))
    assert all((in_another_order[name] == arrays[name]).all() for name in arrays)


@pytest.mark.parametrize(
    ("allowed", "changes", "said"),
    [
        ({"least_rows": 13}, {}, "fewer than 13"),
        ({"max_bytes": 4000}, {}, "the owner allows 4000"),
        ({"most_passes": 0.1}, {}, "times through the documents"),
        ({"max_jobs": 0}, {}, "allows 0 jobs"),
        ({"buyers": ("acc_2",)}, {}, "does not allow this buyer"),
        ({}, {"base": "00" * 32}, "has no base"),
        ({}, {"blocks": 3, "hyper": {**SHAPE, "rank": 2, "steps": 1, "batch": 1}}, "not 3"),
        ({}, {"commitment": "00" * 32}, "another commitment"),
        ({}, {"protocol": 2}, "another protocol"),
        ({}, {"vocabulary": 300}, "none of the question's sizes"),
    ],
)
def test_more_than_the_owner_allows_is_refused(
    tmp_path: Path, allowed: dict[str, Any], changes: dict[str, Any], said: str
) -> None:
    own = desk(tmp_path / "home", write_tiny_base(tmp_path / "base"), corpus(0), **allowed)
    with pytest.raises(NotAllowed, match=said):
        own.train(asked(own, **changes))
    assert own.folder.load().jobs == {}


def test_documents_that_have_changed_are_not_answered_for(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    asked(desk(tmp_path / "home", base, corpus(0)))
    changed = desk(tmp_path / "home", base, [*corpus(0)[:-1], "another text altogether"])
    with pytest.raises(AgentError, match="have changed since they were registered"):
        changed.check_unchanged()


def test_a_base_has_the_digest_that_the_service_gives_it_and_is_none_where_files_lack(tmp_path: Path) -> None:
    folder = write_tiny_base(tmp_path / "base")
    packed = tmp_path / "packed"
    write(folder, ["config.json", "model.safetensors"], packed)
    assert BaseFolder.open(folder).digest == hashlib.sha256(packed.read_bytes()).hexdigest()
    assert (
        packed_digest({name: folder / name for name in ("model.safetensors", "config.json")})
        == BaseFolder.open(folder).digest
    )
    (folder / "model.safetensors").unlink()
    with pytest.raises(AgentError, match="no folder of a base model"):
        BaseFolder.open(folder)


def test_documents_are_read_as_they_are(tmp_path: Path) -> None:
    lines = [" a first\nline ", "12", ""]
    (tmp_path / "t.jsonl").write_text("\n".join(json.dumps({"text": line}) for line in lines))
    (tmp_path / "t.csv").write_text('text,other\n" a first\nline ",1\n12,2\n"",3\n')
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "a.txt").write_text(lines[0])
    (tmp_path / "folder" / "deep" / "b.md").write_text(lines[1])
    for name in ("t.jsonl", "t.csv", "folder"):
        assert documents.read(tmp_path / name).texts == {"text": (" a first\nline ", "12")}
    for name, content in (("bad.jsonl", "{}"), ("bad.csv", "words\nx\n"), ("none.jsonl", '{"text": ""}')):
        (tmp_path / name).write_text(content)
        with pytest.raises(AgentError, match=name):
            documents.read(tmp_path / name)


def test_a_table_has_no_adapter_and_documents_have_no_sums(tmp_path: Path) -> None:
    base = write_tiny_base(tmp_path / "base")
    own = desk(tmp_path / "home", base, corpus(0))
    question = asked(own)
    with pytest.raises(AgentError, match="learners"):
        TextDesk.of_documents(tmp_path / "home" / "texts.csv", [base], Policy(), Folder(tmp_path / "other"))
    (tmp_path / "rows.csv").write_text(table(1))
    rows = Desk.open(tmp_path / "rows.csv", "stay", Policy(), Folder(tmp_path / "rows"))
    with pytest.raises(NotAllowed, match="keeps a table"):
        rows.train(question)
    sums = AgentQuestion.read(
        {name: value for name, value in question.plain().items() if name in AgentQuestion.model_fields}
        | {
            "learner": "ridge",
            "asks": "moments",
            "encoding": {"columns": [{"name": "a", "kind": "number"}], "target": "b"},
        }
    )
    with pytest.raises(NotAllowed, match="keeps documents"):
        own.answer(sums, b"")


def test_an_agent_trains_what_the_engine_trains(tmp_path: Path) -> None:
    base = BaseFolder.open(write_tiny_base(tmp_path / "base"))
    texts = tuple(corpus(0))
    question = asked(desk(tmp_path / "home", tmp_path / "base", corpus(0)))
    got = adapters.trained(question, base, texts)
    X, other = base.blocks(texts, 32), base.blocks(tuple(corpus(1)), 32)
    nothing = np.zeros(len(X), dtype=np.int64)
    weights = {f"{FROZEN}{name}": array for name, array in base.weights(question.hyper, 256).items()}
    players = [
        PlayerData("own", X[::-1], nothing, rows_digest(fingerprints(X), nothing)),
        PlayerData("other", other, np.zeros(len(other), dtype=np.int64)),
    ]
    spec = LearnerSpec("lm", question.hyper)
    game = Problem(players, Rows(other[:3], nothing[:3]), 256, spec, "log_loss", seed=3, checkpoint=weights)
    evaluator = Evaluator(game)
    models = single_models(evaluator.context)
    place = [player.name for player in evaluator.players].index("own")
    assert all((array == got[name]).all() for name, array in evaluator.learner.layout.unpack(models[place]).items())


@pytest.mark.parametrize("name", sorted(DECODERS))
def test_a_base_of_each_family_is_read_as_the_service_reads_it(tmp_path: Path, name: str) -> None:
    folder = write_decoder(tmp_path / name, name)
    read = read_base(folder)
    got = BaseFolder.open(folder).weights(read.hyper, read.vocabulary)
    assert got.keys() == read.weights.keys()
    assert all((got[label] == array).all() for label, array in read.weights.items())


def test_a_tokenizer_answers_an_agent_as_it_answers_the_service(tmp_path: Path) -> None:
    folder = write_tiny_base(tmp_path / "base")
    words = tokenizers.Tokenizer(tokenizers.models.WordLevel({"sea": 0, "rose": 1, "?": 2}, unk_token="?"))
    words.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    words.post_processor = tokenizers.processors.TemplateProcessing(single="sea $A", special_tokens=[("sea", 0)])
    words.enable_truncation(2)
    words.enable_padding(length=9)
    words.save(str(folder / "tokenizer.json"))
    text = "the sea rose and rose"
    base = BaseFolder.open(folder)
    assert base.encode is not None
    assert base.encode(text) == load_tokenizer(folder / "tokenizer.json", "it").encode(text) == [2, 0, 1, 2, 1]
    assert base.registered((text, "sea")).blocks[8] == 1
    assert base.digest != BaseFolder.open(write_tiny_base(tmp_path / "other")).digest


def test_the_command_takes_a_target_or_bases_and_not_both(tmp_path: Path) -> None:
    said = ["agent", str(tmp_path), "--key", "cherish_key"]
    for words in ([], ["--target", "stay", "--base", str(tmp_path)]):
        result = CliRunner().invoke(cli, [*said, *words])
        assert result.exit_code != 0
        assert "--target" in result.output + str(result.exception)
        assert "--base" in result.output + str(result.exception)
