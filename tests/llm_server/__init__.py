"""A language model on this machine, for tests: it speaks the providers' protocols and says what a script says.

    from llm_server.script import Fault, Script, say, shell
    from llm_server.server import llm_server

    def test_driver():
        with llm_server(Script([shell("sed -i s/slow/fast/ work.py"), say("It is fast now.")], [Fault(429, count=2)])) as server:
            ...  # run an agent's program with its base URL at server.url
            assert "make it fast" in server.requests[0].prompt

It serves Anthropic's Messages, OpenAI's Responses and Chat Completions, each streamed and whole, and a list of models. Agents' programs
bring tools of their own: a step names a shell command, and the server puts it onto whichever shell tool a request offers. It keeps no
conversation: the step that is played is the number of tools' results in the request, so that any number of runs may share a server,
may retry, and may be started in any order. Only faults are counted over all requests.

`python -m llm_server --script FILE`, with `tests` on the Python path, serves people. The file's form is that of `Script.from_json`.
"""

from __future__ import annotations
