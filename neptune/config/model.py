"""The fields of a run, with their types, defaults and descriptions: `Config` is the only list of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from neptune import tasks
from neptune.config.paths import KeptPath, NameOrPath, ReadPath, WrittenPath, run_folder
from neptune.config.tasks import TASKS
from neptune.words import all_if_minus_one, listed

DATASETS = tasks.NAMES
"""Datasets that this version reads."""

CACHE = "oracle-cache.sqlite"
DETECTIONS = "detections.sqlite"
"""The name of the cache beside the run folders."""

Count = Annotated[int, Field(ge=1)]
Way = Literal["direct", "program", "turns"]


class Config(BaseModel):
    """The fields of a run. Paths are relative to the working directory: :mod:`neptune.config.paths` makes them so."""

    model_config = ConfigDict(extra="forbid", strict=True, validate_default=False)

    # What is run
    dataset: str | list[str] | None = Field(None, description=f"Dataset, or several, to answer: {', '.join(DATASETS)}.")
    task: str | None = Field(None, description=f"Instead of answering a dataset: {', '.join(TASKS)}.")
    data_dir: ReadPath | None = Field(None, description="Folder of the dataset's files (images/, scenes.json, …).")
    split: str | None = Field(None, description="train, val, … where the folder holds several.")
    follow_links: bool = Field(
        False, description="Symbolic links below data_dir may lead out of it; without, a sample that needs one fails."
    )
    fetch_pictures: bool = Field(
        False, description="Dataset folder: fetch pictures that are http(s) addresses; without, such a sample fails."
    )
    num_samples: Annotated[Count | None, BeforeValidator(all_if_minus_one)] = Field(
        None, description="The first samples of each dataset; null or -1: all."
    )
    output_dir: WrittenPath | None = Field(None, description="Run folder; by default experiments/<name of the config>.")
    resume: bool = Field(True, description="Continue the run folder; false moves it aside first.")
    seed: int = Field(0, description="Seed of everything random.")

    # Who sees
    vlm_model_name: NameOrPath = Field(
        "embedded",
        description="Oracle that scores: scene, embedded, random, replay, openai; or a vision-language model by short "
        "name (qwen2, intern25_8b, …), id or folder: docs/oracles.md.",
    )
    record_oracle: WrittenPath | None = Field(
        "auto",
        description="File that gets all that was seen and said, for replay; auto: evidence.jsonl in the run folder; "
        "null: none.",
    )
    oracle_cache: KeptPath | None = Field(
        "auto",
        description="SQLite file that keeps what models and servers say, for all runs; auto: oracle-cache.sqlite "
        "beside the run folder; null: none.",
    )
    vlm_options: dict[str, Any] = Field({}, description='Options of the oracle, e.g. {"noise": 0.05} for scene.')
    od_model: NameOrPath = Field(
        "embedded",
        description="Detector that finds objects: scene, embedded, dino, florence, owlv2, or a model's id or folder.",
    )
    od_options: dict[str, Any] = Field({}, description="Options of the detector.")
    detection_cache: KeptPath | None = Field(
        "auto",
        description="SQLite file that keeps what detectors like dino found, for all runs; auto: detections.sqlite "
        "beside the run folder; null: none.",
    )

    segment_model: NameOrPath = Field(
        "grabcut",
        description="Who tells which pixels are a thing's, where a program asks: grabcut, watershed, sam, sam2, "
        "sam3, or a model's id or folder: docs/perception.md.",
    )
    segment_options: dict[str, Any] = Field({}, description="Options of the segmenter.")
    depth_model: NameOrPath = Field(
        "embedded",
        description="Who tells how far away things are: embedded (CLEVR renderings), scene (the annotation), "
        "depth_anything, zoedepth, depth_pro, or a model's id or folder.",
    )
    depth_options: dict[str, Any] = Field({}, description="Options of the depth estimator.")
    ocr_model: str = Field("rapidocr", description="Who reads words in pictures: rapidocr, tesseract.")
    ocr_options: dict[str, Any] = Field({}, description="Options of the reader.")

    # Who writes programs
    code_gen_provider: str = Field(
        "gold",
        description="Who writes programs: gold (the dataset's own; of a question that is asked, embedded), cache "
        "(program_cache_address only), embedded (reads the question, no language model), a language model at "
        "openrouter, deepseek, openai, local; in turns also transformers, a model that runs here.",
    )
    code_gen_model_name: str | None = Field(None, description="Language model that writes programs.")
    code_gen_base_url: str | None = Field(
        None, description="Address of an OpenAI-compatible server, e.g. http://localhost:8000/v1."
    )
    code_gen_temperature: Annotated[float, Field(ge=0, le=2)] | None = Field(
        0.0, description="Temperature of the language model; null: its own."
    )
    code_gen_max_tokens: Count = Field(512, description="Most tokens of a program.")
    code_gen_samples: Count = Field(1, description="Programs asked for each question; they vote.")
    code_gen_repairs: Annotated[int, Field(ge=0)] = Field(
        2, description="How often a wrong program goes back to the model with its error."
    )
    code_gen_checks: list[Literal["scene", "tests"]] = Field(
        [], description="Where programs of one question differ: scene, tests (docs/writer.md)."
    )
    code_gen_constrained: Literal["auto", "off", "gbnf", "llguidance", "openai"] = Field(
        "auto", description="Decoding bound to the grammar: auto (where the server can), off, or a form."
    )
    code_gen_dialect: Literal["first_order", "neptune", "patches"] = Field(
        "first_order",
        description="Dialect of the programs: quantifiers with lambdas, statements over scores, or regions.",
    )
    code_gen_prompt: Literal["full", "short"] = Field(
        "full", description="Length of the prompt; short is for small models."
    )
    code_gen_prices: dict[str, float] = Field(
        {}, description='Money for a million tokens: {"prompt": 0.15, "completion": 0.6}.'
    )
    code_gen_timeout: Annotated[float, Field(gt=0)] = Field(60.0, description="Seconds for one request.")
    code_gen_retries: Annotated[int, Field(ge=0)] = Field(4, description="Retries after a provider's failure.")
    code_gen_concurrency: Count = Field(4, description="Requests for programs at once.")
    code_gen_omit: list[str] = Field(
        [], description='Fields that no request for programs carries, e.g. ["seed", "temperature"].'
    )
    trusted_hosts: list[str] = Field(
        [],
        description="Hosts (host or host:port) that may get the key of a provider besides its own, for writer and "
        "judge; an oracle's are vlm_options.trusted_hosts.",
    )
    program_cache_address: KeptPath | None = Field(
        None, description="JSON file (also .gz) of programs by question; a language model's are added to it."
    )

    # How it is answered
    logic: str = Field(
        "godel",
        description="Soft logic: godel, product, lukasiewicz, frank:S; several, comma-separated, for a table: "
        "the first one answers, the oracle is asked once.",
    )
    logic_params: ReadPath | None = Field(
        None,
        description="JSON file of temperatures, as written by task tune (tuned.json). The logic that it names "
        "answers, instead of 'logic'.",
    )
    schedule: Literal["all", "lazy", "auto"] = Field(
        "all",
        description="Ask all cells, or (lazy) only those that a decision needs; auto: lazy where the oracle's calls "
        "are dear (models, servers), else all.",
    )
    lazy_pictures: Count = Field(
        64, description="Schedule lazy: questions on so many pictures share the oracle's batches; 1: one by one."
    )
    certificate: ReadPath | None = Field(
        None,
        description="certificate.json of task certify: its proxy stands in for what a decision seldom needs; refused "
        "where it was made for another run. Each question is answered alone, in rounds.",
    )
    audit: Annotated[float, Field(ge=0, le=1)] = Field(
        0.03,
        description="With a certificate: the share of what is left to the proxy that the oracle is asked all the same.",
    )
    most_answers: Count = Field(1, description="With sets of answers: no answer is given where more are in the set.")
    verify: Literal["off", "say", "heed"] = Field(
        "off", description="Ask whether each answer is right: say so, or heed it (another object, or no answer)."
    )
    set: list[str] = Field([], description='What is changed, to see what follows: "red(2)=0.1" (docs/guarantees.md).')
    planner: Literal["optimised", "naive"] = Field("optimised", description="Rewrite plans, or not.")
    max_oracle_calls: Count | None = Field(None, description="Budget of oracle calls a question.")
    max_run_calls: Count | None = Field(
        None,
        description="Budget of oracle calls of the whole run; then questions get the best guess. With another budget "
        "a run resumes at the first question that was cut short.",
    )
    probability_tolerance: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="Bounds of a probability as close as this are reported as one number."
    )
    presuppositions: Literal["auto", "abstain", "answer"] = Field(
        "auto",
        description="Where nothing in the picture fits a description that a question takes for granted: abstain, or "
        "answer all the same and record it. auto: answer where the task has to point to objects, else abstain.",
    )
    dialect: Literal["auto", "patches"] = Field(
        "auto",
        description="patches: every program is over regions (ViperGPT's functions); auto: those that define "
        "execute_command or call ImagePatch.",
    )
    missing_region: Literal["picture", "abstain"] = Field(
        "picture",
        description="Programs over regions: where a region that is taken for granted is not there, the whole picture "
        "stands in for it (and the record says so), or there is no answer.",
    )
    knowledge_model_name: str | None = Field(
        None, description="Language model that llm_query asks, which sees no picture; null: none."
    )
    knowledge_provider: str = Field("openai", description="Its provider, as for code_gen_provider.")
    knowledge_base_url: str | None = Field(None, description="Its address, as for code_gen_base_url.")
    out_of_domain: Literal["abstain", "answer"] = Field(
        "abstain",
        description="Pictures that detector or oracle was not made for, where they can tell (embedded): no answer, or "
        "one that says so.",
    )
    dry_run: bool = Field(
        False, description="Check config, data, models, extras and keys, list all that is missing, run nothing."
    )
    estimate: bool = Field(False, description="Print what the run would cost at most, and ask nothing.")
    estimate_objects: Count = Field(
        8, description="For estimate: objects of a picture of which nothing is known before it is looked at."
    )
    prices: dict[str, float] = Field(
        {}, description='For estimate: money per million tokens, {"input": 2, "output": 8, "image_tokens": 800}.'
    )
    vocabulary: NameOrPath | None = Field(
        "clevr", description="Vocabulary of the domain, by name or file; null allows any predicate."
    )
    distinct_variables: Literal["auto"] | bool = Field(
        "auto", description='Nested quantifiers mean different objects. auto: .exists("y") do, lambdas not.'
    )
    limits: dict[str, Any] = Field({}, description="Limits of programs: --limits.nodes 1000.")

    # Task ask
    image: ReadPath | list[ReadPath] | None = Field(
        None, description="Task ask: the picture, a file or an http(s) address; or several."
    )
    video: ReadPath | None = Field(None, description="Task ask: the film, instead of a picture: docs/films.md.")
    frames_per_second: Annotated[float, Field(gt=0, le=1000)] = Field(
        1.0, description="Task ask: so many frames of a film are looked at a second."
    )
    most_frames: Annotated[int, Field(ge=1, le=100_000)] = Field(
        30, description="Task ask: the most frames of a film that are looked at, at even steps over all of it."
    )
    question: str | None = Field(None, description="Task ask: the question in words.")
    program: str | None = Field(None, description="Task ask: the program, instead of a question.")
    explain: bool = Field(
        False, description="Task ask: print how the program would be planned, and ask nothing (no image needed)."
    )

    # Task agent, and ask with turns
    turns: Count | None = Field(
        None,
        description="Task agent: so many turns may a model take, which looks, acts, looks again (docs/turns.md); the "
        "model is that of code_gen_*; null: 10. Task ask with turns is task agent; serve with them converses.",
    )
    ways: list[Way] = Field(
        default_factory=lambda: list[Way](("turns",)),
        description="Task agent: how each sample of a dataset is answered, compared by McNemar's test: by the model "
        "directly, by one program, in turns.",
    )
    turn_format: Literal["own", "pyvision"] = Field(
        "own", description="Task agent: how the model writes its turns, in this project's form or in PyVision's tags."
    )
    turn_limits: dict[str, Any] = Field(
        {},
        description='Task agent: what a conversation may use, {"pictures": 32, "tokens": 200000, "money": 0.5, '
        '"oracle_calls": 5000, "seconds": 600}; pictures 0: shows none; a limit of money needs code_gen_prices.',
    )
    sandbox: Literal["none", "bwrap", "gvisor"] = Field(
        "none",
        description="Task agent: turns are programs of the language; bwrap, gvisor: real Python in that sandbox "
        "(docs/sandbox.md).",
    )
    tools: Literal["none", "offer", "learn"] = Field(
        "none",
        description="Task agent: functions of earlier conversations, in tool_library: offer them; learn (of a training "
        "split): also keep those that served right answers.",
    )
    tool_library: KeptPath | None = Field(
        None, description="Task agent: JSON file of functions that conversations made."
    )

    # Task certify
    guarantee: Literal["cascade", "sets", "selective"] = Field(
        "cascade",
        description="Task certify: cascade: a proxy stands in for the oracle; sets: of answers, with the right one in; "
        "selective: only answers that are sure enough. The last two need right answers, and no proxy.",
    )
    randomised: bool = Field(False, description="Task certify: exact coverage of sets by draws; sets may be empty.")
    proxy_model_name: NameOrPath | None = Field(
        None, description="Task certify: the cheap oracle that stands in, by name as for vlm_model_name."
    )
    proxy_options: dict[str, Any] = Field({}, description="Task certify: options of the proxy.")
    alpha: Annotated[float, Field(gt=0, lt=1)] = Field(0.05, description="Task certify: the risk that is allowed.")
    delta: Annotated[float, Field(gt=0, lt=1)] = Field(0.05, description="Task certify: the chance that it is wrong.")

    # What comes of it
    inspect: Literal["none", "values", "flips"] = Field(
        "values",
        description="What the report shows of the inside of answers: values of the plan; flips: also the smallest "
        "change of scores that gives another answer, which costs several times the run's own computing.",
    )
    watch: bool = Field(
        False, description="Serve the report on this machine while the run goes on, and until Ctrl-C after it."
    )
    watch_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        8642, description="Port of --watch; 0, or one that is taken: any free one."
    )
    bundle: WrittenPath | None = Field(
        None, description="Pack the finished run into this .zip; --config FILE.zip replays it, bit for bit."
    )
    bundle_pictures: bool = Field(True, description="Pack the pictures too, or only what identifies them.")
    prune: str | None = Field(
        None, description="Task cache: remove what oracles whose identity holds this text have said."
    )

    # Task contact-sheet
    sample: str | None = Field(None, description="Task contact-sheet: id of the sample; by default the first one.")

    # How it runs
    gpus: Annotated[list[int], BeforeValidator(listed)] = Field(
        [], description="GPUs to use, e.g. --gpus 0 1 or --gpus 0,1; none: the CPU."
    )
    workers: Count = Field(1, description="Samples, or judge's requests, in flight.")
    processes: Literal["auto"] | Count = Field(
        "auto", description="Processes that answer samples with the oracle scene; auto: one a core, in long runs."
    )
    max_batch: Count = Field(
        256, description="Oracle cells in a batch, gathered from several workers, or sent to a GPU, at once."
    )
    batch_wait_ms: Annotated[float, Field(ge=0)] = Field(
        2.0, description="Milliseconds that a batch waits for the requests of other workers."
    )
    cluster: str | None = Field(
        None,
        description="Answer the dataset on a Ray cluster: auto (this machine's, or one started here), or HOST:PORT of "
        "its head: docs/scale.md.",
    )
    cluster_options: dict[str, Any] = Field(
        {},
        description='What a run takes of its cluster, {"engines": 8, "oracles": 2, "oracle_gpus": 1, "detectors": 1, '
        '"detector_gpus": 0.5, "shard": 64, "object_store_mb": 200}; by default what is there.',
    )
    evaluate: bool = Field(False, description="Let a language model judge the answers of the run.")
    judge_model: str = Field("deepseek-chat", description="Model of the judge.")
    judge_provider: str = Field("deepseek", description="Provider of the judge, as for code_gen_provider.")
    judge_base_url: str | None = Field(None, description="Address of the judge, as for code_gen_base_url.")
    judge_omit: list[str] = Field([], description="Fields that no request to the judge carries, as for code_gen_omit.")
    blame: bool = Field(False, description="Say of each error whether detector, oracle, program or logic is to blame.")
    agree: Literal["direct"] | None = Field(None, description="Ask agree_model_name each question too: do both agree?")
    agree_model_name: NameOrPath | None = Field(None, description="With agree: the model, e.g. a student's folder.")
    agree_options: dict[str, Any] = Field({}, description="With agree: options of the model.")
    consistency: bool = Field(False, description="Ask each question in other words too, and for the opposite.")

    def reading(self) -> dict[str, Any]:
        """Return how the records and pictures of a dataset are read: options of :func:`neptune.tasks.load`."""
        return {"split": self.split, "follow_links": self.follow_links, "fetch_pictures": self.fetch_pictures}

    def load(self, dataset: str) -> tasks.Task:
        """Load a dataset, as many samples as asked for; errors as of :func:`neptune.tasks.load`."""
        assert self.data_dir is not None  # the fields were checked
        return tasks.load(dataset, self.data_dir, self.num_samples, **self.reading())

    @property
    def datasets(self) -> tuple[str, ...]:
        """The datasets, in order, as a tuple; empty when only a task is named."""
        if self.dataset is None:
            return ()
        return (self.dataset,) if isinstance(self.dataset, str) else tuple(self.dataset)

    @property
    def images(self) -> tuple[str, ...]:
        """The pictures of task ask, in order."""
        if self.image is None:
            return ()
        return (self.image,) if isinstance(self.image, str) else tuple(self.image)

    @property
    def logics(self) -> tuple[str, ...]:
        """The logics, the one that answers first."""
        return tuple(part.strip() for part in self.logic.split(","))

    @property
    def cache_path(self) -> Path | None:
        """The file of `oracle_cache`; ``None``: no cache."""
        return self._beside(self.oracle_cache, CACHE)

    @property
    def detections_path(self) -> Path | None:
        """The file of `detection_cache`; ``None``: no cache."""
        return self._beside(self.detection_cache, DETECTIONS)

    def _beside(self, given: str | None, name: str) -> Path | None:
        if given != "auto":
            return Path(given) if given else None
        return (Path(self.output_dir).parent if self.output_dir else Path("experiments")) / name

    def folder(self, name: str) -> Path:
        """Return the run folder of a run called `name`."""
        return run_folder(self.output_dir, name)
