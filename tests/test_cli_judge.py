"""The command `judge`: rules, a local model, a server; what it writes, and that exports and training leave it out."""

from __future__ import annotations

import pytest

from dpo_studio import cli_judge
from dpo_studio.core import events
from dpo_studio.core.judges import Judge, principles_hash
from dpo_studio.core.types import Message
from dpo_studio.jobs.worker import Worker
from dpo_studio.judging import local
from dpo_studio.store import Project, completions, judgements, prompts, rankings
from tests.openai_server import OpenAIServer
from tests.tiny_models import llama_config, save


@pytest.fixture
def folder(tmp_path):
    with Project.create(tmp_path / "project", guideline="Short is good.") as project:
        for number, answers in enumerate((("one two", "one"), ("a b c", "a", "a b"), ("same", "same"))):
            prompt = prompts.add(project, [Message("user", f"Question {number}?")])
            prompts.set_held_out(project, prompt.id, False)
            group = completions.add_group(project, prompt.id, size=len(answers))
            for text in answers:
                completions.add(project, group.id, text)
    return tmp_path / "project"


def standing(folder):
    with Project.open(folder) as project:
        return [list(one.ranks.values()) for one in rankings.all_current(project, annotator_kind="judge")]


def test_rules_rank_what_they_have_not_ranked(call, folder):
    status, done, err = call("judge", folder, "--rule", "shorter", "--limit", 1)
    assert status == 0 and (done["judge"], done["judged"], done["left"]) == ("rules: shorter", 1, 2), err
    status, done, _ = call("judge", folder, "--rule", "shorter")
    assert status == 0 and (done["judged"], done["left"], done["disagreement"]) == (2, 0, None)
    assert standing(folder) == [[2, 1], [3, 1, 2], [1, 1]]
    status, answer, _ = call("judge", folder, "--rule", "shorter")
    assert status == 2 and "has ranked everything" in answer["error"]
    status, done, _ = call("judge", folder, "--rule", "no-refusal", "--rule", "longer")
    assert status == 0 and done["judge"] == "rules: no-refusal, longer" and len(standing(folder)) == 6


def test_a_judges_word_is_exported_and_trained_on_only_when_asked(call, folder, tmp_path):
    call("judge", folder, "--rule", "shorter")
    status, refused, _ = call("train", folder, "--prepare-only")
    assert status == 2 and "no rankings yet" in refused["error"]
    status, plan, _ = call("export", folder, "--as", "ranking", "--preview")
    assert plan["rows"] == {} and {"count": 3, "what": "judgements by a judge", "code": "judge"} in plan["left_out"]
    status, made, err = call("train", folder, "--prepare-only", "--judges", "all")
    assert status == 0, err
    assert "2 rankings to train on (2 by judges)" in err
    status, plan, _ = call("export", folder, tmp_path / "out", "--as", "ranking", "--judges", "rules: shorter")
    assert status == 0 and plan["by_judges"] == 3 and not any(one["code"] == "judge" for one in plan["left_out"])
    assert "3 of them were made by judges" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    call("new", tmp_path / "other")
    status, taken, _ = call("import", tmp_path / "other", tmp_path / "out")
    assert status == 0 and taken["imported"] == 3
    with Project.open(tmp_path / "other") as other:
        assert rankings.labelled(other) == [] and rankings.judge_names(other) == {"rules: shorter": 3}


def test_a_judges_pair_stays_a_judges_pair(call, folder, tmp_path):
    call("judge", folder, "--rule", "shorter")
    with Project.open(folder) as project:
        rankings.add(project, completions.recent_groups(project)[1], ranks=[3, 2, 1], annotator="Ada")
    status, plan, err = call("export", folder, tmp_path / "out", "--as", "preference", "--judges", "all")
    assert status == 0 and plan["by_judges"] == 1, err
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "1 of them were made by judges" in card and "`annotator_kind` says which rows" in card
    call("new", tmp_path / "other")
    status, taken, err = call("import", tmp_path / "other", tmp_path / "out")
    assert status == 0 and taken["imported"] == 4, err
    with Project.open(tmp_path / "other") as other:
        assert rankings.judge_names(other) == {"rules: shorter": 1}
        assert [ranking.annotator for _, ranking in rankings.labelled(other)] == ["Ada"] * 3


def test_a_persons_label_stands_over_the_judges(call, folder):
    call("judge", folder, "--rule", "shorter")
    with Project.open(folder) as project:
        group = completions.recent_groups(project)[-1]
        rankings.add(project, group, ranks=[1, 2])
    _, plan, _ = call("export", folder, "--as", "ranking", "--preview", "--judges", "all")
    assert sorted(row["annotator_kind"] for row in plan["first_rows"]) == ["judge", "judge", "person"]


def test_a_local_model_judges_by_principles(call, folder, tmp_path, monkeypatch):
    monkeypatch.setattr(local, "LEAST_MASS", 1e-6)
    model = save(tmp_path / "tiny", llama_config(max_position_embeddings=2048))
    (tmp_path / "principles.txt").write_text("Be brief.\n\nBe kind.\n", encoding="utf-8")
    status, done, err = call(
        "judge", folder, "--model", model, "--principles", tmp_path / "principles.txt", "--device", "cpu"
    )
    assert status == 0, err
    assert done["judge"] == "tiny, principles " + principles_hash("Be brief.\n\nBe kind.")
    assert (done["judged"] + done["no_opinion"], done["pairs"], done["asked"]) == (3, 4, 8)
    assert done["judged"] >= 1, "two same answers tie, whatever the model"
    low, high = done["disagreement_interval"]
    assert low <= done["disagreement"] == done["disagreements"] / 4 <= high
    assert standing(folder)[2] == [1, 1]
    with Project.open(folder) as project:
        assert judgements.answered(project, done["judge"]).asked == 8
    status, by_guideline, err = call("judge", folder, "--model", model, "--limit", 1, "--device", "cpu")
    assert status == 0 and by_guideline["judge"] == f"tiny, principles {principles_hash('Short is good.')}", err


def test_a_servers_model_judges(call, folder, monkeypatch):
    monkeypatch.delenv("DPO_STUDIO_API_KEY", raising=False)
    server = OpenAIServer()
    server.choice = lambda body: {
        "message": {"content": "A" if "Answer A:\n\none\n" in body["messages"][0]["content"] else "B"}
    }
    try:
        base = f"openai:{server.url}#small"
        status, done, err = call("judge", folder, "--server", base, "--limit", 1)
        assert status == 0 and (done["judged"], done["asked"], done["unanswered"]) == (1, 2, 0), err
        server.choice = lambda body: {"message": {"content": "I would rather not."}}
        status, done, _ = call("judge", folder, "--server", base)
        assert status == 0 and (done["judged"], done["unanswered"], done["left"]) == (1, 6, 0)
        assert done["not_judged"][0]["message"].startswith("6 of 6 questions")
        status, refused, _ = call("judge", folder, "--server", f"openai:{server.url}#huge")
        assert status == 2 and "no model huge" in refused["error"]
    finally:
        server.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "No judge is named"),
        (("--rule", "shorter", "--model", "starter"), "--rule and --model name different judges"),
        (("--rule", "prettier"), "no rule called"),
        (("--rule", "shorter", "--principles", "none.txt"), "Rules need no principles"),
        (("--model", "starter", "--principles", "none.txt"), "cannot be read"),
        (("--server", "http://localhost"), "not a server's address"),
        (("--model", "starter", "--tie-below", "0.2"), "cannot be"),
    ],
)
def test_what_cannot_judge_is_told_in_a_sentence(call, folder, arguments, says):
    status, answer, err = call("judge", folder, *arguments)
    assert status == 2 and says in answer["error"] and "Traceback" not in err
    assert standing(folder) == []


def test_stopped_it_keeps_what_it_had(folder):
    judge = Judge("rules", rules=("shorter",))
    with Project.open(folder) as project:
        done = cli_judge.run(
            project,
            judge,
            limit=None,
            device="cpu",
            cancelled=lambda: bool(rankings.judge_names(project)),
            report=lambda line: None,
        )
        assert done.cancelled and (done.judged, done.left) == (1, 2)
        assert "2 groups wait for it" in done.sentence()


def test_the_worker_judges_what_it_is_told_and_ends_with_its_input(folder, tmp_path):
    judge = Judge("rules", rules=("shorter",))
    with Project.open(folder) as project:
        command = judgements.command_for(project, judge, judgements.waiting(project, judge))
    worker = Worker(["judge"], log_path=tmp_path / "log")
    try:
        worker._stdin.write("nonsense\n")
        assert worker.send(command)
        heard = worker.events()
        failed = next(heard)
        assert isinstance(failed, events.Failed) and "understand" in failed.message and failed.details
        said = []
        for event in heard:
            said.append(event)
            if isinstance(event, (events.JobFinished, events.Failed)):
                break
        assert [event.ranks for event in said[:-1]] == [(2, 1), (3, 1, 2), (1, 1)]
        assert said[-1] == events.JobFinished(command.job, "done")
        worker.close()
        assert worker.wait() == 0
    finally:
        worker.stop()


def test_a_judge_that_goes_by_the_order_is_told_to_be_of_no_use(call, folder, monkeypatch):
    monkeypatch.delenv("DPO_STUDIO_API_KEY", raising=False)
    server = OpenAIServer()
    server.choice = lambda body: {"message": {"content": "A"}}
    try:
        status, done, err = call("judge", folder, "--server", f"openai:{server.url}#small")
    finally:
        server.close()
    assert status == 0, err
    assert (done["judged"], done["no_opinion"], done["left"], done["by_order"]) == (1, 2, 0, True)
    with Project.open(folder) as project:
        assert [ranking.kind for ranking in rankings.all_current(project, annotator_kind="judge")].count("skip") == 2
        assert "of no use here" in judgements.by_order(project, done["judge"])
        assert judgements.names(project) == [done["judge"]]
    said = cli_judge.Done("small", no_opinion=2, pairs=4, disagreements=4, first_shown=8, asked=8).sentence()
    assert "no opinion on 2 groups" in said and "4 of 4 pairs came out otherwise, mostly for the first" in said
    status, report, _ = call("report", folder)
    (entry,) = report["each_judge"]
    assert (entry["rankings"], entry["no_opinion"], entry["disagreement"]) == (1, 2, 1.0)
