from checkup.cli.app import main

main()
