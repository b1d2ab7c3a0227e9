"""An offline competition host that speaks Kaggle's protocol, so that the real `kaggle` command line can use it.

From a shell, in three steps (each command says where things lie):

    medalist host create house-prices            # a catalogue task, or a folder with public/ and private/answers.csv
    medalist host users alice && medalist host accept-rules house-prices alice
    medalist host &  eval "$(medalist host env alice)";  kaggle competitions list

From a test: `tests/hosts.py` starts a real server on a free port and gives the environment of a real client.

What lies where: app.py wires; routes/ answers requests; proxy.py takes absolute URLs; store.py holds the tables;
competitions.py, accounts.py, uploads.py, submissions.py, standings.py are the rules; scoring.py runs judge.py, which
alone reads the private answers, in a process of its own; admin.py is for whoever owns the host's folder. No request
administers anything: admin commands write to the database, which the credentials of a client do not open.
"""
